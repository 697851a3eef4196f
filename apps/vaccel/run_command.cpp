// SPDX-License-Identifier: Apache-2.0
#include "run_command.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include "classifier.hpp"
#include "json_output.hpp"
#include "open_model.hpp"
#include "photo.hpp"
#include "text_table.hpp"

namespace vac::cli {
namespace {

constexpr const char* kCommand = "run";

struct Options {
  std::vector<std::string> photos;
  ClassifierOptions classifier;
  std::size_t top = 3;
  bool json = false;
  std::string outputs;  // a file for them
};

/// The raw outputs of every photo, one after the other.
class OutputsFile {
 public:
  Status open(const std::string& path) {
    path_ = path;
    file_.reset(std::fopen(path.c_str(), "wbe"));
    return file_ ? Status{} : failure();
  }
  Status write(const Tensors& outputs) {
    if (!file_) return {};
    for (const Tensor& tensor : outputs) {
      const auto bytes = tensor.bytes();
      if (std::fwrite(bytes.data(), 1, bytes.size(), file_.get()) != bytes.size()) return failure();
    }
    return std::fflush(file_.get()) == 0 ? Status{} : failure();
  }

 private:
  Error failure() const {
    const int number = errno;
    const std::string text = "cannot write outputs to '" + path_ +
                             "': " + std::generic_category().message(number) + ": ";
    switch (number) {
      case ENOENT:
        return {Errc::not_found, text + "make the folder first"};
      case EACCES:
        return {Errc::access_denied, text + "name a file that you may write"};
      case EISDIR:
        return {Errc::is_directory, text + "name a file in it"};
      case ENOSPC:
      case EDQUOT:
        return {Errc::no_space, text + "make room there, or name another file"};
      default:
        return {Errc::failed, text + "check the path"};
    }
  }
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::string path_;
  std::unique_ptr<std::FILE, Close> file_;
};

/// Prints results as they come, or gathers them for one JSON document.
class Printer {
 public:
  Printer(const Options& options, const Classifier& classifier)
      : options_(options), classifier_(classifier) {
    for (const std::string& photo : options.photos) width_ = std::max(width_, text_width(photo));
  }

  void add(const std::string& photo, const Classified& result) {
    const std::vector<ClassScore> top = highest(result.scores, options_.top);
    options_.json ? gather(photo, result, top) : print_line(photo, top);
  }
  void finish() const {
    if (!options_.json) return;
    print(json_text({{"address", std::string(classifier_.address())},
                     {"model", options_.classifier.model},
                     {"photos", photos_}}));
  }

 private:
  void gather(const std::string& photo, const Classified& result,
              const std::vector<ClassScore>& top) {
    Json classes = Json::array();
    for (const auto& [index, score] : top) {
      classes.push_back({{"label", classifier_.label(index)}, {"index", index}, {"score", score}});
    }
    photos_.push_back(
        {{"photo", photo}, {"top", std::move(classes)}, {"run_ms", result.run_time.count()}});
  }
  void print_line(const std::string& photo, const std::vector<ClassScore>& top) const {
    std::string line = photo + std::string(width_ - text_width(photo), ' ');
    for (const auto& [index, score] : top) {
      line += "  " + classifier_.label(index) + " " + format_fixed(score, 2);
    }
    print(printable(line) + "\n");
    std::fflush(stdout);  // main() sees that it failed
  }

  const Options& options_;
  const Classifier& classifier_;
  std::size_t width_ = 0;
  Json photos_ = Json::array();
};

Status classify_all(const Options& options, const Photo& first, const Classifier& classifier,
                    OutputsFile& file) {
  Printer printer(options, classifier);
  for (std::size_t i = 0; i < options.photos.size(); ++i) {
    Photo next;
    if (i > 0) {
      VAC_TRY(next, load_photo(options.photos[i]));
    }
    VAC_TRY(const Classified result, classifier.classify(i == 0 ? first : next));
    VAC_CHECK(file.write(result.outputs));
    printer.add(options.photos[i], result);
  }
  printer.finish();
  return {};
}

ExitStatus run(const Options& options) {
  if (const Status name = check_model_name(options.classifier.model); !name) {
    return report_wrong_use(kCommand, name.error().text());
  }
  // Before anything that takes time: the mistake that is made most.
  const Result<Photo> first = load_photo(options.photos.front());
  if (!first) return report(kCommand, first.error());
  OutputsFile file;
  if (!options.outputs.empty()) {
    if (const Status status = file.open(options.outputs); !status) {
      return report(kCommand, status.error());
    }
  }
  const Result<Classifier> classifier = Classifier::open(options.classifier);
  if (!classifier) return report(kCommand, classifier.error());
  if (!classifier->missing_options().empty()) {
    return report_wrong_use(kCommand, "model '" + options.classifier.model +
                                          "' does not say how it takes images: add " +
                                          classifier->missing_options());
  }
  if (const Status status = classify_all(options, *first, *classifier, file); !status) {
    return report(kCommand, status.error());
  }
  return ExitStatus::success;
}

}  // namespace

void add_run_command(CLI::App& app, ExitStatus& status) {
  const auto options = std::make_shared<Options>();
  CLI::App* command =
      add_command(app, kCommand, "Classify photos", [options] { return run(*options); }, status);
  ClassifierOptions& classifier = options->classifier;
  command->add_option("photos", options->photos, "PNG or JPEG files")
      ->type_name("PHOTO")
      ->required();
  command->add_option("--model", classifier.model, "A model's file, or model://NAME of the agent")
      ->type_name("FILE|model://NAME")
      ->required();
  command->add_option("--labels", classifier.labels, "Names of the classes, one a line")
      ->type_name("FILE");
  command->add_option("--top", options->top, "How many classes to print (default: 3)")
      ->type_name("N")
      ->check(CLI::Range(std::size_t{1}, std::size_t{1000000}).description(""));
  add_at_option(*command, classifier.address);
  add_json_option(*command, options->json);
  command->add_option("--outputs", options->outputs, "Write the model's raw outputs to a file")
      ->type_name("FILE");
  const char* group = "For models that do not say how they take images";
  add_parsed_option(*command, "--size", classifier.image.size, parse_picture_size,
                    "The model's picture")
      ->type_name("WxH|N")
      ->group(group);
  add_parsed_option(*command, "--mean", classifier.image.mean, parse_channels,
                    "A value is (pixel - mean) / scale, pixels being 0 to 255")
      ->type_name("A[,B,C]")
      ->group(group);
  add_parsed_option(*command, "--scale", classifier.image.scale, parse_scale, "")
      ->type_name("A[,B,C]")
      ->group(group);
  add_parsed_option(*command, "--layout", classifier.image.layout, parse_layout,
                    "Whether channels come first or last")
      ->type_name("NCHW|NHWC")
      ->group(group);
  command->add_flag("--softmax", classifier.softmax, "Make the outputs probabilities")
      ->group(group);
}

}  // namespace vac::cli
