// SPDX-License-Identifier: Apache-2.0
#include "upload.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <new>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "base/errno_error.hpp"
#include "base/fd.hpp"
#include "base/slab_pool.hpp"
#include "base/text.hpp"
#include "control_call.hpp"

namespace vac::remote {
namespace {

/// More than the head of a call that carries a piece.
constexpr std::uint64_t kPieceHead = 256;
constexpr std::uint64_t kPage = 4096;

/// What one piece may have on that connection.
std::uint64_t piece_bytes_of(const Connection& connection) {
  return std::min(kPieceBytes, (connection.largest_frame() - kPieceHead) / kPage * kPage);
}

const void* data_of(const vac_resource_view& view, std::uint32_t file) {
  return view.data == nullptr ? nullptr : view.data[file];
}

/// Sends files in pieces, several of them in flight. Confined to the thread of the call.
class Upload {
 public:
  Upload(Connection& connection, const vac_resource_view& view, std::uint64_t id, vac_call& parent,
         const vac_host& host)
      : connection_(connection),
        view_(view),
        id_(id),
        parent_(parent),
        host_(host),
        piece_bytes_(piece_bytes_of(connection)) {}

  Status run(std::span<const std::uint32_t> files) {
    for (const std::uint32_t file : files) total_ += view_.sizes[file];
    Status result;
    try {
      result = send_files(files);
    } catch (const std::bad_alloc&) {
      result = Error{Errc::no_memory};
    }
    while (in_flight_ != 0) {
      Status finished = finish_oldest();
      if (result && !finished) result = std::move(finished);
    }
    return result;
  }

 private:
  /// A piece on its way. Its memory is in use until it is finished.
  struct Piece {
    Slab memory;
    std::optional<ControlCall> call;
    Place* place = nullptr;
    std::uint64_t bytes = 0;
  };

  Status send_files(std::span<const std::uint32_t> files) {
    for (const std::uint32_t file : files) VAC_CHECK(send_file(file));
    return {};
  }

  Status send_file(std::uint32_t file) {
    Fd source;
    if (data_of(view_, file) == nullptr) {
      source.reset(::open(view_.paths[file], O_RDONLY | O_CLOEXEC));
      if (!source) return errno_error(errno, concat("cannot open '", view_.paths[file], "'"));
    }
    const std::uint64_t size = view_.sizes[file];
    for (std::uint64_t offset = 0; offset < size; offset += piece_bytes_) {
      VAC_CHECK(send_piece(file, offset, std::min(size - offset, piece_bytes_), source.get()));
    }
    return {};
  }

  Status send_piece(std::uint32_t file, std::uint64_t offset, std::uint64_t bytes, int source) {
    // Of a call whose time is over the piece itself says so.
    const bool late = parent_.deadline_ns != 0 && now_ns() >= parent_.deadline_ns;
    if (!late && host_.cancelled(&parent_) != 0) return Error{Errc::cancelled};
    if (in_flight_ == kPiecesInFlight) VAC_CHECK(finish_oldest());
    Piece& piece = pieces_[(first_ + in_flight_) % kPiecesInFlight];
    const void* data = nullptr;
    if (source < 0) {
      data = static_cast<const std::byte*>(data_of(view_, file)) + offset;
    } else {
      VAC_CHECK(read_piece(piece, file, offset, bytes, source));
      data = piece.memory.data();
    }
    piece.bytes = bytes;
    piece.call.emplace(Control::resource_data, parent_);
    piece.call->in_u64(id_);
    piece.call->in_u32(file);
    piece.call->in_u64(offset);
    piece.call->in_bytes(data, static_cast<std::size_t>(bytes));
    return start(piece);
  }

  Status start(Piece& piece) {
    for (;;) {
      // Pieces of our own may take up the room that we would wait for.
      const Room room = in_flight_ == 0 ? Room::wait : Room::only_if_free;
      VAC_TRY(piece.place, connection_.start(piece.call->call(), nullptr, room));
      if (piece.place != nullptr) break;
      VAC_CHECK(finish_oldest());
    }
    ++in_flight_;
    return {};
  }

  Status finish_oldest() {
    Piece& piece = pieces_[first_];
    first_ = (first_ + 1) % kPiecesInFlight;
    --in_flight_;
    VAC_CHECK(connection_.finish(*piece.place));
    done_ += piece.bytes;
    host_.progress(&parent_, done_, total_);
    return {};
  }

  Status read_piece(Piece& piece, std::uint32_t file, std::uint64_t offset, std::uint64_t bytes,
                    int source) {
    if (!piece.memory) {
      piece.memory = memory_.get(std::min(total_, piece_bytes_));
      if (!piece.memory) return Error{Errc::no_memory};
    }
    std::size_t have = 0;
    while (have < bytes) {
      const ssize_t got =
          ::pread(source, piece.memory.data() + have, static_cast<std::size_t>(bytes) - have,
                  static_cast<off_t>(offset + have));
      if (got > 0) {
        have += static_cast<std::size_t>(got);
      } else if (got == 0) {
        return Error{Errc::failed, concat("'", view_.paths[file], "' has become shorter than its ",
                                          view_.sizes[file], " bytes: open it again")};
      } else if (errno != EINTR) {
        return errno_error(errno, concat("cannot read '", view_.paths[file], "'"));
      }
    }
    return {};
  }

  Connection& connection_;
  const vac_resource_view& view_;
  const std::uint64_t id_;
  vac_call& parent_;
  const vac_host& host_;
  const std::uint64_t piece_bytes_;
  std::uint64_t done_ = 0, total_ = 0;
  SlabPool memory_{kPieceBytes};  // before the pieces, which give theirs back
  std::array<Piece, kPiecesInFlight> pieces_;
  std::size_t first_ = 0, in_flight_ = 0;
};

Error no_id(const Connection& connection) {
  return Error{Errc::protocol, concat("the agent at ", connection.address(),
                                      " broke the protocol: it gave a resource the id 0")};
}

Result<std::uint64_t> open_uri(Connection& connection, const vac_resource_view& view,
                               const vac_call& parent) {
  std::array<char, 128> digest{};
  ControlCall open(Control::resource_open, parent);
  open.in_text(view.uri);
  open.in_text(view.options_json);
  open.out_u64();
  open.out_text(digest);
  VAC_CHECK(connection.run(open.call(), nullptr));
  if (open.value(2) == 0) return no_id(connection);
  return open.value(2);
}

Status check_need(const Connection& connection, const vac_resource_view& view,
                  std::span<const std::uint32_t> need) {
  if (std::ranges::all_of(need, [&](std::uint32_t file) { return file < view.file_count; })) {
    return {};
  }
  return Error{Errc::protocol, concat("the agent at ", connection.address(),
                                      " broke the protocol: it asks for a file that is not there")};
}

Result<std::uint64_t> add_files(Connection& connection, const vac_resource_view& view,
                                vac_call& parent, const vac_host& host) {
  const std::string manifest = manifest_of(view);
  std::vector<std::uint32_t> need(view.file_count);
  ControlCall add(Control::resource_add, parent);
  add.in_bytes(manifest.data(), manifest.size());
  add.in_text(view.options_json);
  add.out_u64();
  add.out_u32s(need);
  VAC_CHECK(connection.run(add.call(), nullptr));
  const std::uint64_t id = add.value(2);
  if (id == 0) return no_id(connection);
  need.resize(static_cast<std::size_t>(add.bytes(3) / sizeof(std::uint32_t)));
  Status sent = check_need(connection, view, need);
  if (sent) sent = Upload(connection, view, id, parent, host).run(need);
  if (sent) return id;
  connection.drop_resource(id);
  return std::move(sent).error();
}

}  // namespace

std::string manifest_of(const vac_resource_view& view) {
  std::string text = view.kind == VAC_RESOURCE_DIRECTORY ? "directory\n" : "";
  for (std::uint32_t file = 0; file < view.file_count; ++file) {
    text += concat(view.digests[file], " ", view.sizes[file], " ", view.names[file], "\n");
  }
  return text;
}

std::string title_of(const vac_resource_view& view) {
  if (view.kind == VAC_RESOURCE_URI) return view.uri;
  if (view.kind == VAC_RESOURCE_DIRECTORY || view.file_count == 0) return view.digest;
  return view.names[0];
}

Result<std::uint64_t> open_at_agent(Connection& connection, const vac_resource_view& view,
                                    vac_call& parent, const vac_host& host) {
  auto id = view.kind == VAC_RESOURCE_URI ? open_uri(connection, view, parent)
                                          : add_files(connection, view, parent, host);
  if (!id) return std::move(id).error().with_context(concat("resource '", title_of(view), "'"));
  return id;
}

}  // namespace vac::remote
