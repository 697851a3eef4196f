// SPDX-License-Identifier: Apache-2.0
// The operations that the agent answers itself, with any arguments: manifests, options, addresses,
// ids, parts of files in any order.
#include <algorithm>
#include <string>
#include <vector>

#include "agent_rig.hpp"
#include "base/sha256.hpp"
#include "base/utf8.hpp"
#include "call/op_table.hpp"

namespace vac::fuzz {
namespace {

constexpr std::size_t kMostSteps = 48;
constexpr std::size_t kMostFiles = 4;

/// What the harness knows of a resource that the agent has accepted.
struct Opened {
  std::uint64_t id = 0;
  std::vector<std::vector<std::byte>> files;  // their right content, where it is known
};

class Client {
 public:
  explicit Client(Input input) : in_(input) { rig_.greet(); }

  void run() {
    for (std::size_t step = 0; step < kMostSteps && !in_.empty() && !rig_.ended(); ++step) act();
    rig_.settle();
  }

 private:
  using Step = void (Client::*)();

  void act() {
    static constexpr Step kSteps[] = {&Client::ping,      &Client::add_any,   &Client::add_good,
                                      &Client::open,      &Client::send_part, &Client::send_file,
                                      &Client::drop,      &Client::info,      &Client::load,
                                      &Client::read_back, &Client::regions};
    (this->*kSteps[in_.below(std::size(kSteps))])();
  }

  static test::BuiltCall make(const char* name) { return test::BuiltCall(find_op(name)->id); }

  /// The answer; there is one as long as the connection lives, and nothing here may end it.
  const Answer& ask(test::BuiltCall call) {
    const std::uint64_t request = rig_.call(std::move(call));
    rig_.read();
    while (rig_.run_one()) {
    }
    require(!rig_.ended(), "the agent ends a connection because of an argument");
    const Answer* const answer = rig_.answer(request);
    require(answer != nullptr, "a control operation has no answer");
    return *answer;
  }

  std::string_view some_text() { return in_.text(in_.take<std::uint8_t>()); }
  /// What is not UTF-8 would not even get to the operation.
  std::string some_utf8() {
    std::string text(some_text());
    std::erase(text, '\0');
    return valid_utf8(text) ? text : printable(text);
  }
  std::string some_options() { return in_.below(4) == 0 ? some_utf8() : "{}"; }

  Opened* some_resource() {
    return opened_.empty() ? nullptr : &opened_[in_.below(opened_.size())];
  }
  std::uint64_t some_id() {
    const Opened* const opened = some_resource();
    return opened == nullptr || in_.below(8) == 0 ? in_.take<std::uint8_t>() : opened->id;
  }

  void ping() { require(ask(make("ping")).code == VAC_OK, "the agent does not answer a ping"); }

  const Answer& add(std::string_view manifest, const std::string& options) {
    test::BuiltCall call = make("resource_add");
    call.bytes(manifest).string(options).out_scalar(VAC_U64).out_array(VAC_U32, VAC_ANY_BYTES);
    return ask(std::move(call));
  }

  void add_any() {
    const std::string_view manifest = in_.text(in_.take<std::uint16_t>() % 1024);
    const Answer& answer = add(manifest, some_options());
    if (answer.code != VAC_OK) return;
    const auto lines = static_cast<std::size_t>(std::ranges::count(manifest, '\n'));
    keep(answer, std::vector<std::vector<std::byte>>(lines));
  }

  /// A manifest that is right for files that the harness can send.
  void add_good() {
    std::vector<std::vector<std::byte>> files(1 + in_.below(kMostFiles));
    const bool directory = files.size() != 1 || in_.below(2) == 0;
    std::string manifest = directory ? "directory\n" : "";
    char name = 'a';
    for (std::vector<std::byte>& file : files) {
      const std::size_t size = in_.take<std::uint16_t>() % 9000;
      file.assign(size, static_cast<std::byte>(in_.take<std::uint8_t>()));
      manifest += sha256_hex(file) + " " + std::to_string(file.size()) + " " + name++ + "\n";
    }
    const std::string options = some_options();
    const Answer& answer = add(manifest, options);
    require(answer.code == VAC_OK || options != "{}" || answer.code != VAC_EINVAL,
            "a good manifest is refused: " + answer.text);
    if (answer.code == VAC_OK) keep(answer, std::move(files));
  }

  void keep(const Answer& answer, std::vector<std::vector<std::byte>> files) {
    const std::uint64_t id = answer.scalars.at(2);
    require(id != 0, "a resource has the id 0");
    require(std::ranges::count(opened_, id, &Opened::id) == 0, "two resources have one id");
    const std::vector<std::byte>& need = answer.outputs.at(3);
    require(need.size() % sizeof(std::uint32_t) == 0, "the files that are needed are no numbers");
    std::vector<std::uint32_t> indices(need.size() / sizeof(std::uint32_t));
    if (!need.empty()) std::memcpy(indices.data(), need.data(), need.size());
    for (std::size_t i = 0; i < indices.size(); ++i) {
      require(indices[i] < files.size(), "a file is needed that the manifest does not name");
      require(i == 0 || indices[i - 1] < indices[i], "the files that are needed are not in order");
    }
    opened_.push_back({id, std::move(files)});
  }

  void open() {
    test::BuiltCall call = make("resource_open");
    call.string(in_.below(4) == 0 ? some_utf8() : "model://" + some_utf8()).string(some_options());
    call.out_scalar(VAC_U64).out_array(VAC_CHAR, VAC_ANY_BYTES);
    require(ask(std::move(call)).code != VAC_OK, "an agent without models opens one");
  }

  int send_data(std::uint64_t id, std::uint32_t file, std::uint64_t offset,
                std::span<const std::byte> data) {
    test::BuiltCall call = make("resource_data");
    call.scalar(VAC_U64, id).scalar(VAC_U32, file).scalar(VAC_U64, offset).array(VAC_BYTE, data);
    return ask(std::move(call)).code;
  }

  void send_part() {
    const std::uint64_t id = some_id();
    const auto file = static_cast<std::uint32_t>(in_.below(8));
    const std::uint64_t offset =
        in_.below(8) == 0 ? in_.take<std::uint64_t>() : in_.take<std::uint16_t>();
    (void)send_data(id, file, offset, in_.bytes(in_.take<std::uint8_t>()));
  }

  /// A file as it should be, in parts of any size, in any order, the last one perhaps wrong.
  void send_file() {
    Opened* const opened = some_resource();
    if (opened == nullptr || opened->files.empty()) return;
    const std::size_t index = in_.below(opened->files.size());
    const std::vector<std::byte> content = opened->files[index];
    const std::size_t part = 1 + in_.take<std::uint16_t>() % 4096;
    const bool backwards = in_.below(2) == 0;
    const std::size_t count = std::min<std::size_t>((content.size() + part - 1) / part, 16);
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t offset = (backwards ? count - 1 - i : i) * part;
      std::vector<std::byte> bytes(
          content.begin() + static_cast<std::ptrdiff_t>(offset),
          content.begin() + static_cast<std::ptrdiff_t>(std::min(content.size(), offset + part)));
      const bool wrong = in_.below(16) == 1;
      if (wrong) bytes.front() ^= std::byte{1};
      const int code = send_data(opened->id, static_cast<std::uint32_t>(index), offset, bytes);
      require(code != VAC_EBADMSG || wrong_ || wrong, "a good file is called damaged");
      wrong_ = wrong_ || wrong;
    }
  }

  void drop() {
    const std::uint64_t id = some_id();
    test::BuiltCall call = make("resource_drop");
    call.scalar(VAC_U64, id);
    const bool known = std::ranges::count(opened_, id, &Opened::id) != 0;
    require((ask(std::move(call)).code == VAC_OK) == known,
            "a resource is dropped that is not open");
    std::erase_if(opened_, [&](const Opened& opened) { return opened.id == id; });
  }

  void info() {
    test::BuiltCall call = make("info");
    call.out_array(VAC_CHAR, VAC_ANY_BYTES);
    require(ask(std::move(call)).code == VAC_OK, "the agent does not describe itself");
  }

  /// What uses a resource: only one that is complete.
  void load() {
    test::BuiltCall call = make("model_load");
    const std::uint64_t id = some_id();
    call.resource(in_.below(8) == 0 ? id | 1ULL << 40 : id);
    if (call.records()[0].value == 0) return;
    (void)ask(std::move(call));
  }

  void read_back() {
    test::BuiltCall call = make("resource_read");
    call.scalar(VAC_U64, some_id()).scalar(VAC_U32, in_.below(8));
    call.scalar(VAC_U64, in_.below(2) == 0 ? in_.take<std::uint64_t>() : in_.take<std::uint8_t>());
    call.out_array(VAC_BYTE, in_.below(2) == 0 ? VAC_ANY_BYTES : in_.take<std::uint8_t>());
    (void)ask(std::move(call));
  }

  void regions() {
    test::BuiltCall call = make("region_drop");
    call.scalar(VAC_U32, in_.below(16));
    (void)ask(std::move(call));
  }

  Input in_;
  AgentRig rig_;
  std::vector<Opened> opened_;
  bool wrong_ = false;  // some part was
};

}  // namespace

void fuzz_one(std::span<const std::byte> input) { Client(Input(input)).run(); }

}  // namespace vac::fuzz
