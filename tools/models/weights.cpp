// SPDX-License-Identifier: Apache-2.0
#include "weights.hpp"

#include <cstdint>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <utility>
#include <vector>

namespace vac::models {
namespace {

// Far above any network that this tool is for, far below what could exhaust memory.
constexpr int64_t kMaxElements = int64_t{1} << 30;

std::runtime_error bad(const std::string& path, const std::string& why) {
  return std::runtime_error("cannot read weights " + path + ": " + why +
                            ": make the file again with read_weights.py");
}

// Parses "name rank dim...".
std::pair<std::string, std::vector<int64_t>> parse_entry(const std::string& path,
                                                         const std::string& line) {
  std::istringstream in(line);
  std::string name;
  size_t rank = 0;
  if (!(in >> name >> rank) || rank > 8) throw bad(path, "malformed line '" + line + "'");
  std::vector<int64_t> shape(rank);
  int64_t elements = 1;
  for (int64_t& dim : shape) {
    if (!(in >> dim) || dim < 1 || elements > kMaxElements / dim) {
      throw bad(path, "malformed line '" + line + "'");
    }
    elements *= dim;
  }
  return {name, shape};
}

}  // namespace

Weights Weights::read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string line;
  if (!file) throw bad(path, "it cannot be opened");
  if (!std::getline(file, line) || line != "vac-weights 1") throw bad(path, "wrong first line");

  std::vector<std::pair<std::string, std::vector<int64_t>>> entries;
  while (std::getline(file, line) && !line.empty()) entries.push_back(parse_entry(path, line));
  if (!file) throw bad(path, "its index does not end");

  Weights result;
  for (const auto& [name, shape] : entries) {
    at::Tensor tensor = at::empty(shape, at::kFloat);
    file.read(static_cast<char*>(tensor.data_ptr()), static_cast<std::streamsize>(tensor.nbytes()));
    if (!file) throw bad(path, "it ends inside tensor " + name);
    result.tensors_[name] = tensor;
  }
  if (file.peek() != std::ifstream::traits_type::eof()) throw bad(path, "it is too long");
  return result;
}

const at::Tensor& Weights::get(const std::string& name, at::IntArrayRef shape) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) throw std::runtime_error("the weights lack tensor " + name);
  if (found->second.sizes() != shape) {
    std::ostringstream text;
    text << "tensor " << name << " has shape " << found->second.sizes() << ", the network needs "
         << shape << ": these are the weights of another network";
    throw std::runtime_error(text.str());
  }
  return found->second;
}

}  // namespace vac::models
