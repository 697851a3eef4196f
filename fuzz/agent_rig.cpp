// SPDX-License-Identifier: Apache-2.0
#include "agent_rig.hpp"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <utility>

#include "agent/call_run.hpp"
#include "agent/clock.hpp"
#include "agent/connection.hpp"
#include "agent/connection_table.hpp"
#include "agent/crew.hpp"
#include "agent/file_digests.hpp"
#include "agent/housekeeping.hpp"
#include "agent/model_repository.hpp"
#include "agent/path_scrubber.hpp"
#include "agent/poller.hpp"
#include "agent/refusal_log.hpp"
#include "agent/region.hpp"
#include "agent/resource_store.hpp"
#include "agent/services.hpp"
#include "agent/tenant.hpp"
#include "base/log.hpp"
#include "base/slab_pool.hpp"
#include "base/utf8.hpp"
#include "core/runtime.hpp"
#include "support/frame_bytes.hpp"
#include "support/temp_directory.hpp"

namespace vac::fuzz {
namespace {

using transport::Wait;
using wire::FrameHeader;

constexpr std::uint64_t kMemory = 12 << 20;
constexpr std::uint64_t kFrame = 6 << 20;  // above what may come without data frames
constexpr std::uint64_t kCacheBytes = 256 << 10;
constexpr std::uint64_t kRegions = 4 << 20;
constexpr std::uint32_t kCalls = 8;
constexpr const char* kBadPart = "a call is taken that names what is no part of an open region";

agent::AgentConfig configuration(const std::string& folder, agent::SharedInput shared_input) {
  agent::AgentConfig config;
  config.listeners.push_back({"unix:///fuzz", {}, {}, {}, shared_input});
  config.cache = {folder, kCacheBytes};
  config.limits = {kMemory, kFrame, kRegions, kCalls};
  return config;
}

std::unique_ptr<core::Runtime> make_runtime() {
  core::RuntimeOptions options;
  options.only_these = true;
  options.suggest_plugins = false;
  auto runtime = std::make_unique<core::Runtime>(std::move(options));
  const vac_plugin* const noop = vac_plugin_entry(VAC_ABI_MAJOR, VAC_ABI_MINOR);
  require(runtime->add_plugin(*noop).has_value(), "the plugin noop cannot be opened");
  return runtime;
}

/// One folder for the whole run, emptied for each input.
const std::string& empty_folder() {
  static const test::TempDirectory folder;
  static const std::string path = folder.path().string();
  for (const auto& entry : std::filesystem::directory_iterator(path)) {
    std::filesystem::remove_all(entry.path());
  }
  return path;
}

}  // namespace

AgentEnd::AgentEnd() : event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
AgentEnd::~AgentEnd() { ::close(event_); }

void AgentEnd::give(std::span<const std::byte> bytes) { input_.add(bytes); }

std::ptrdiff_t AgentEnd::receive(std::span<std::byte> to, Wait /*wait*/) noexcept {
  if (shut_) return 0;
  if (input_.empty()) return ended_ ? 0 : -EAGAIN;
  return static_cast<std::ptrdiff_t>(input_.take(to, cut_));
}

std::ptrdiff_t AgentEnd::receive(std::span<iovec> to, Wait wait) noexcept {
  return receive(std::span(static_cast<std::byte*>(to[0].iov_base), to[0].iov_len), wait);
}

std::ptrdiff_t AgentEnd::send(std::span<const iovec> from, Wait /*wait*/) noexcept {
  if (shut_) return -EPIPE;
  std::size_t total = 0;
  for (const iovec& part : from) {
    const std::size_t count = std::min(part.iov_len, room_);
    const auto* const bytes = static_cast<const std::byte*>(part.iov_base);
    output_.insert(output_.end(), bytes, bytes + count);
    room_ -= room_ == SIZE_MAX ? 0 : count;
    total += count;
    if (count != part.iov_len) break;
  }
  sent_ += total;
  return total == 0 ? -EAGAIN : static_cast<std::ptrdiff_t>(total);
}

std::ptrdiff_t AgentEnd::send_with(std::span<const iovec> from, int descriptor,
                                   Wait wait) noexcept {
  const std::uint64_t at = sent_;
  const std::ptrdiff_t count = send(from, wait);
  if (count > 0) descriptors_.emplace_back(at, Fd(::fcntl(descriptor, F_DUPFD_CLOEXEC, 0)));
  return count;
}

std::optional<std::pair<std::uint64_t, Fd>> AgentEnd::take_descriptor_before(std::uint64_t end) {
  if (descriptors_.empty() || descriptors_.front().first >= end) return std::nullopt;
  auto first = std::move(descriptors_.front());
  descriptors_.pop_front();
  return first;
}

void AgentEnd::accept_descriptors(bool /*accept*/) noexcept {
  finding("the agent takes descriptors of a client");
}

std::optional<std::uint32_t> AgentEnd::peer_uid() const noexcept { return ::geteuid(); }

/// As in Agent, but for the threads: no executors, so that calls wait until the harness runs them.
struct AgentRig::Parts {
  explicit Parts(agent::SharedInput shared_input)
      : config(configuration(empty_folder(), shared_input)),
        runtime(make_runtime()),
        tasks(slabs),
        poller(*agent::Poller::create()),
        tenants(config.limits.memory, config.limits.regions),
        store(agent::ResourceStore::open(config.cache.directory, kCacheBytes, digests).value()),
        models("", digests),
        housekeeping({*poller, connections, crew, slabs, tasks, *runtime}, config.idle_unload),
        crew({0, 0}, slabs) {
    scrubber.add(store->directory(), 1);
  }

  void connect(std::unique_ptr<AgentEnd> channel) {
    connection =
        std::make_shared<agent::Connection>(services, config.listeners.front(), std::move(channel));
    require(connections.insert(connection), "a connection finds no place");
    require(connection->take(), "a new connection is not to be had");
  }

  const agent::AgentConfig config;
  const std::unique_ptr<core::Runtime> runtime;
  SlabPool slabs;
  agent::TaskPool tasks;
  const std::unique_ptr<agent::Poller> poller;
  agent::TenantTable tenants;
  agent::FileDigests digests;
  agent::SharedCopies copies;
  const std::unique_ptr<agent::ResourceStore> store;
  const agent::ModelRepository models;
  agent::PathScrubber scrubber;
  agent::ConnectionTable connections;
  agent::Housekeeping housekeeping;
  agent::RefusalLog refusals;
  agent::Services services{config, *runtime,    slabs,    tasks,        *poller,
                           crew,   connections, tenants,  digests,      *store,
                           copies, models,      scrubber, housekeeping, refusals};
  agent::Crew crew;
  // Apart: it begins on a cache line, which the rest of this need not.
  const std::unique_ptr<agent::Worker> own_worker = std::make_unique<agent::Worker>(slabs);
  agent::Worker& worker = *own_worker;
  // Shared with its slot in the table and with its calls.
  std::shared_ptr<agent::Connection> connection;
};

AgentRig::AgentRig(agent::SharedInput shared_input) {
  // Every refusal is a line.
  default_log().set_sink([](LogLevel, std::string_view) {});
  parts_ = std::make_unique<Parts>(shared_input);
  auto channel = std::make_unique<AgentEnd>();
  channel_ = channel.get();
  parts_->connect(std::move(channel));
}

AgentRig::~AgentRig() {
  if (!ended_) end();
  agent::Tenant* const tenant = greeted_ ? &parts_->connection->tenant() : nullptr;
  require(parts_->connection.use_count() == 1, "a connection that has ended is still in use");
  parts_->connection.reset();
  require(parts_->crew.idle(), "a call of a connection that has ended is still there");
  require(tenant == nullptr || tenant->memory().used() == 0,
          "memory stays on the account of a tenant who has gone");
  require(tenant == nullptr || tenant->regions().used() == 0,
          "a region stays on the account of a tenant who has gone");
}

void AgentRig::greet(bool sharing) {
  wire::Hello hello;
  if (sharing) hello.region_kinds = wire::region_bit(wire::RegionKind::memfd);
  give(wire::encode_hello(hello));
  read();
  require(greeted_, "the agent does not answer a hello");
}

void AgentRig::FrameStarts::add(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    if (left_ == 0) {
      head_.push_back(bytes.front());
      bytes = bytes.subspan(1);
      if (head_.size() < sizeof(FrameHeader)) continue;
      const FrameHeader header = wire::read_header(head_.data());
      left_ = wire::frame_bytes(header) - sizeof header;
      head_.clear();
    }
    const std::size_t taken =
        static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size()));
    left_ -= taken;
    bytes = bytes.subspan(taken);
  }
}

void AgentRig::give(std::span<const std::byte> bytes) {
  given_.add(bytes);
  channel_->give(bytes);
}

std::uint64_t AgentRig::call(test::BuiltCall call, std::uint32_t deadline_us,
                             wire::RegionMap* regions) {
  const std::uint64_t request = next_request();
  wire::FrameEncoder encoder;
  require(encoder.encode_call(call.call(), request, deadline_us, kFrame, regions).has_value(),
          "a call of the harness cannot be encoded");
  Asked asked{std::move(call), {encoder.placed().begin(), encoder.placed().end()}};
  std::vector<std::byte> bytes;
  test::append(bytes, encoder.frame());
  if (encoder.payload_follows()) {
    for (auto data = encoder.next_data_frame(); !data.empty(); data = encoder.next_data_frame()) {
      test::append(bytes, data);
    }
  }
  if (regions != nullptr) {
    read();
    if (ended_) return request;
    judge_parts(bytes, asked);
  }
  const bool is_call = given_.at_start();
  give(bytes);
  const bool must_fail = is_call && asked.must_fail;
  if (is_call) {
    // It holds as it is read, whatever becomes of the call.
    if (asked.call.call().op == find_op("region_drop")->id) ++perhaps_drops_;
    asked_.emplace(request, std::move(asked));
  }
  if (regions != nullptr) read();
  // Before it runs: it might touch memory that nobody has mapped.
  require(!must_fail || !waits(request), kBadPart);
  return request;
}

bool AgentRig::waits(std::uint64_t request) {
  if (ended_) return false;
  std::vector<agent::TaskPtr> waiting = parts_->crew.remove_all(parts_->connection.get());
  const bool found = std::ranges::count(waiting, request, [](const agent::TaskPtr& task) {
                       return task->request;
                     }) != 0;
  parts_->crew.queue(waiting);
  return found;
}

/// Whether each part of a region that a call names is there, by the regions that are open now.
void AgentRig::judge_parts(std::span<const std::byte> frame, Asked& asked) const {
  if (!greeted_) return;
  const FrameHeader header = wire::read_header(frame.data());
  for (std::size_t i = 0; i < header.record_count; ++i) {
    vac_arg record;
    std::memcpy(&record, frame.data() + sizeof header + i * sizeof record, sizeof record);
    const bool data = record.form == VAC_ARRAY || record.form == VAC_TENSOR;
    if (!data || !wire::names_region(record.where)) continue;
    asked.names_regions = true;
    const auto region = parts_->connection->regions().find(record.where);
    const std::uint64_t size = region != nullptr && region->is_open() ? region->bytes().size() : 0;
    const bool inside = record.value <= size && record.bytes <= size - record.value;
    if (size == 0 || !inside) asked.must_fail = true;
  }
}

void AgentRig::read() {
  agent::Worker& worker = parts_->worker;
  while (!ended_) {
    const auto received = parts_->connection->receive(worker, Wait::now);
    parts_->connection->send_replies(worker);
    parts_->crew.queue(worker.calls);
    check_output();
    if (received.what == agent::Connection::Read::ended) return end();
    if (received.what == agent::Connection::Read::nothing) return;
  }
}

bool AgentRig::run_one(std::size_t which) {
  if (ended_) return false;
  agent::Connection& connection = *parts_->connection;
  std::vector<agent::TaskPtr> waiting = parts_->crew.remove_all(&connection);
  if (waiting.empty()) return false;
  const auto chosen =
      waiting.begin() + static_cast<std::ptrdiff_t>(std::min(which, waiting.size() - 1));
  agent::TaskPtr task = std::move(*chosen);
  waiting.erase(chosen);
  parts_->crew.queue(waiting);
  if (connection.hold(task)) return true;
  agent::run_call(connection, *task, agent::now_ns());
  connection.finish(std::move(task));
  check_output();
  return true;
}

void AgentRig::settle() {
  channel_->cut(0);
  read();
  channel_->allow_output(SIZE_MAX);
  while (!ended_ && (run_one() || parts_->connection->output_pending())) {
    parts_->connection->flush();
    check_output();
    read();
  }
  if (ended_) return;
  for (const auto& [request, call] : asked_) {
    require(answered_.contains(request), "a call has no answer");
  }
  require(announced_.empty(), "a reply lacks data that it announced");
  require(emptied_regions_ <= perhaps_drops_, "a region has no proof, and nobody dropped it");
  require(channel_->output().empty(), "the agent has sent half a frame");
}

const Answer* AgentRig::answer(std::uint64_t request) const {
  const auto found = answers_.find(request);
  return found == answers_.end() ? nullptr : &found->second;
}

void AgentRig::end() {
  ended_ = true;
  const std::shared_ptr<agent::Connection> self = parts_->connection->end();
  parts_->worker.calls.clear();
}

/// Takes all frames that are complete.
void AgentRig::check_output() {
  std::vector<std::byte>& output = channel_->output();
  std::size_t used = 0;
  while (!foreign_ && output.size() - used >= sizeof(FrameHeader)) {
    const std::span<const std::byte> left = std::span(output).subspan(used);
    const FrameHeader header = wire::read_header(left.data());
    if (!greeted_ && header.magic != wire::kMagic) {  // an answer in the peer's own words
      foreign_ = true;
      check_text(std::string(Input::text_of(left.first(16))));
      break;
    }
    const Status good = wire::check_header(header, kFrame);
    require(good.has_value(), "the agent sends a frame that is not well formed");
    const std::uint64_t size = wire::frame_bytes(header);
    if (left.size() < size) break;
    require(!goodbye_, "the agent speaks on after its goodbye");
    // Moved to where it is aligned.
    const test::AlignedBytes frame(left.first(static_cast<std::size_t>(size)));
    const auto end = used + static_cast<std::size_t>(size);
    check_frame(header, frame, descriptor_of(used, end));
    used = end;
  }
  output_taken_ += used;
  output.erase(output.begin(), output.begin() + static_cast<std::ptrdiff_t>(used));
}

/// That came with the frame at that place of the output that is not taken yet.
Fd AgentRig::descriptor_of(std::size_t begin, std::size_t end) {
  auto sent = channel_->take_descriptor_before(output_taken_ + end);
  if (!sent) return {};
  require(sent->first == output_taken_ + begin, "a descriptor comes in the middle of a frame");
  require(!channel_->take_descriptor_before(output_taken_ + end),
          "two descriptors come with one frame");
  return std::move(sent->second);
}

void AgentRig::check_frame(const FrameHeader& header, std::span<const std::byte> frame,
                           Fd descriptor) {
  require(!descriptor || header.kind == wire::Kind::reply,
          "a descriptor comes with a frame that is no answer");
  switch (header.kind) {
    case wire::Kind::hello:
      require(!std::exchange(greeted_, true), "the agent says hello twice");
      require(wire::decode_hello(frame).has_value(), "the agent's hello cannot be read");
      return;
    case wire::Kind::goodbye: {
      goodbye_ = true;
      const std::string text = wire::failure_text(frame);
      require(!text.empty(), "the agent gives no reason for its goodbye");
      return check_text(text);
    }
    case wire::Kind::reply:
      return check_reply(header, frame, std::move(descriptor));
    case wire::Kind::data: {
      const auto announced = announced_.find(header.request);
      require(announced != announced_.end() && header.payload_bytes <= announced->second,
              "the agent sends data that it has not announced");
      announced->second -= header.payload_bytes;
      if (announced->second == 0) announced_.erase(announced);
      return;
    }
    default:
      finding("the agent sends a frame that only a client sends");
  }
}

void AgentRig::check_reply(const FrameHeader& header, std::span<const std::byte> frame,
                           Fd descriptor) {
  require(greeted_, "the agent answers before hello");
  require(answered_.insert(header.request).second, "the agent answers a call twice");
  if (!asked_.contains(header.request)) ++perhaps_drops_;
  if ((header.flags & wire::kFlagPayloadFollows) != 0) {
    announced_[header.request] = header.payload_bytes;
  }
  Answer& answer = answers_[header.request];
  answer.code = static_cast<int>(header.code);
  if (header.code != VAC_OK) {
    require(!descriptor, "a descriptor comes with a failure");
    return check_failure(frame, answer);
  }
  const auto found = asked_.find(header.request);
  if (found == asked_.end()) return;  // made of bytes that the harness does not look into
  Asked& asked = found->second;
  require(!asked.must_fail, kBadPart);
  check_results(header, frame, asked, answer);
  check_region_answer(asked, answer, std::move(descriptor));
}

void AgentRig::check_results(const FrameHeader& header, std::span<const std::byte> frame,
                             Asked& asked, Answer& answer) {
  vac_call& call = asked.call.call();
  const Op& op = *find_op(call.op);
  const auto head = frame.first(static_cast<std::size_t>(wire::head_bytes(header)));
  std::vector<wire::ReplyPart> parts;
  std::vector<wire::ListCount> counts;
  const Status read = wire::decode_reply(op, head, call, parts, counts, asked.placed);
  require(read.has_value(), read ? "" : read.error().text());
  for (std::size_t i = 0; i < op.args.size() && op.control(); ++i) {
    if (call.args[i].form == VAC_SCALAR) answer.scalars[i] = call.args[i].value;
  }
  if ((header.flags & wire::kFlagPayloadFollows) != 0) return;
  for (const wire::ReplyPart& part : parts) {
    if (part.in_region) continue;
    const std::byte* const data =
        part.in_head != nullptr ? part.in_head : frame.data() + head.size() + part.offset;
    answer.outputs[part.arg].assign(data, data + part.bytes);
  }
}

/// Of a call that has succeeded.
void AgentRig::check_region_answer(Asked& asked, const Answer& answer, Fd descriptor) {
  const std::string_view op = find_op(asked.call.call().op)->name;
  require((op == "region_open") == static_cast<bool>(descriptor),
          "a descriptor comes with a region, and with nothing else");
  if (descriptor) {
    require(answer.scalars.at(3) == 1 && answer.scalars.at(5) == 0,
            "a region is of a kind that was not asked for");
    require(answer.scalars.at(4) >= asked.call.records()[0].value,
            "a region is smaller than was asked for");
    const auto id = static_cast<std::uint32_t>(answer.scalars.at(2));
    if (!regions_.add(id, answer.scalars.at(4), std::move(descriptor))) ++emptied_regions_;
  }
  // What lay in a region may have become another proof since.
  if (op == "region_ready" && !asked.names_regions) {
    const vac_arg& proof = asked.call.records()[1];
    require(regions_.is_proof(static_cast<std::uint32_t>(asked.call.records()[0].value),
                              {reinterpret_cast<const std::byte*>(proof.value),
                               static_cast<std::size_t>(proof.bytes)}),
            "a region is opened by a wrong proof");
  }
}

void AgentRig::check_failure(std::span<const std::byte> frame, Answer& answer) const {
  require(std::string_view(error_name(answer.code)).starts_with("VAC_E"),
          "the agent answers with a code that is none");
  answer.text = wire::failure_text(frame);
  require(!answer.text.empty(), "the agent says nothing of a failure");
  check_text(answer.text);
}

void AgentRig::check_text(const std::string& text) const {
  require_text(printable(text));
  require(text.find(parts_->config.cache.directory) == std::string::npos,
          "the agent tells a path of its host: " + text);
}

}  // namespace vac::fuzz
