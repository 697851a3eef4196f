// SPDX-License-Identifier: Apache-2.0
// Calls and replies to frames and back. Payloads are never copied into a message but where they are
// tiny; no I/O here.
#pragma once

#include <sys/uio.h>
#include <vac/plugin.h>
#include <vac/result.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "call/op_table.hpp"
#include "wire/frame.hpp"
#include "wire/regions.hpp"

namespace vac::wire {

/// One frame made ready to leave: a head of our own and references to payloads, which must stay in
/// place until sent. Reused from frame to frame, so that in the steady state nothing is allocated.
/// Confined to the thread that uses it.
class FrameEncoder {
 public:
  /// Payload of a frame up to this size is copied behind the head, so that a small frame is one
  /// piece. Measured on unix sockets: no dearer than a gather list up to here, dearer from 8 KiB.
  static constexpr std::size_t kCopiedPayload = 4096;

  FrameEncoder() = default;
  FrameEncoder(FrameEncoder&&) noexcept = default;
  FrameEncoder& operator=(FrameEncoder&&) noexcept = default;

  /// In-memory call (records hold pointers), which check_call has accepted -> call frame. What lies
  /// in one of the `regions` is named and not sent; nullptr: there are none. Fails with
  /// VAC_EMSGSIZE above largest_frame, VAC_EINVAL above 64 KiB of meta.
  Status encode_call(const vac_call& call, std::uint64_t request, std::uint32_t deadline_us,
                     std::uint64_t largest_frame, RegionMap* regions = nullptr);
  /// The records of the call just encoded whose results the peer may leave in a region, in order.
  /// `arg` and `child` are not set.
  std::span<const RegionResult> placed() const noexcept { return placed_; }
  /// What the plugin made with vac_host.output.
  struct Output {
    std::uint32_t arg, child;
    void* data;
    std::uint64_t bytes;
    std::uint8_t type, rank;
    std::int64_t dims[VAC_MAX_RANK];
  };
  /// A call that is done -> reply frame: its out and inout records in table order. An Output wins
  /// over what lies in place, and the last Output of an argument over earlier ones; an output array
  /// without either is empty. The caller has seen to it that `bytes` of what lies in place is
  /// inside its memory. What `delivered` lists has been left in a region already. A plugin's breach
  /// (a child missing, a size that does not fit the shape) is VAC_EIO; VAC_EMSGSIZE above
  /// largest_frame.
  Status encode_reply(const Op& op, const vac_call& done, std::span<const Output> outputs,
                      std::uint64_t request, std::uint32_t agent_us, std::uint64_t largest_frame,
                      std::span<const RegionResult> delivered = {});
  /// `text` is cut to 1 KiB at a whole character.
  void encode_failure(std::uint64_t request, int code, std::uint32_t detail, std::string_view text);
  void encode_cancel(std::uint64_t request);
  void encode_goodbye(int code, std::string_view text);

  /// The frame as one gather list (no more than 2 x records + 2 entries), which the caller may
  /// consume. For a frame with kFlagPayloadFollows: its head alone.
  std::span<iovec> frame() noexcept { return gather_; }
  /// Bytes of frame() as it was made.
  std::uint64_t frame_size() const noexcept { return frame_bytes(header_); }
  bool payload_follows() const noexcept { return (header_.flags & kFlagPayloadFollows) != 0; }
  /// With kFlagPayloadFollows: the next data frame as a gather list (header of this encoder, <= 256
  /// KiB of payload), which the caller may consume; empty when all is out. Ends the use of frame().
  std::span<iovec> next_data_frame();
  const FrameHeader& header() const noexcept { return header_; }

 private:
  struct Free {
    void operator()(std::byte* memory) const noexcept;
  };

  /// A reply's record, where its data lies, and its shape.
  struct Result {
    vac_arg record;
    const void* data;
    const std::int64_t* dims;
    std::uint32_t arg, child;

    const char* fill(const vac_arg& from, const char* meta, const Output* made);
  };

  void begin(Kind kind, std::uint64_t request, std::size_t record_count, std::size_t meta_bytes);
  void add_copied(std::size_t bytes);
  Status add_payload(const void* data, std::uint64_t bytes, std::uint64_t largest_frame);
  Status add_argument(const vac_arg& from, vac_arg& record, std::uint64_t largest_frame,
                      RegionMap* regions);
  Status finish(std::uint64_t largest_frame);
  Status collect_results(const Op& op, const vac_call& done, std::span<const Output> outputs);
  Status add_children(const Op& op, std::size_t index, std::span<const vac_arg> children,
                      std::uint32_t count, const char* meta, std::span<const Output> outputs);
  Status add_result(const Op& op, std::size_t index, std::size_t child, const vac_arg& from,
                    const char* meta, const Output* made);
  void encode_text(Kind kind, std::uint64_t request, int code, std::string_view text);
  Error too_large(std::uint64_t largest_frame) const;
  vac_arg* records() noexcept;
  char* meta() noexcept;

  FrameHeader header_;
  std::unique_ptr<std::byte[], Free> buffer_;  // the head, then copied payload and padding
  std::size_t capacity_ = 0;
  std::size_t used_ = 0;
  std::size_t copy_left_ = 0;  // of kCopiedPayload
  std::vector<iovec> gather_;
  std::vector<Result> results_;
  std::vector<RegionResult> placed_;
  // While the payload leaves in data frames: what is left of it, and the frame being sent.
  std::vector<iovec> payload_;
  std::size_t payload_index_ = 0;
  std::uint64_t payload_left_ = 0;
  FrameHeader data_header_;
};

/// Call frame -> in-memory call, in place: `frame` is the whole frame, 64-byte aligned, private to
/// the caller and writable, announced payload included; on success call.args and call.meta point
/// into it, inputs hold pointers into it, inouts too; outputs have `where` = VAC_WHERE_NOWHERE and
/// keep their capacity; `value` of resources stays the peer's id. Every length is checked before
/// use; nothing outside the frame and the `regions` is ever referred to (nullptr: none is open).
/// Sets op, args, meta and trace of `call`, nothing else. VAC_EPROTO: not a call frame of that
/// length; VAC_ENOMEM: no memory for what lies in a region; else VAC_EINVAL, and `frame` is no
/// longer what it was.
Status decode_call(const Op& op, std::span<std::byte> frame, vac_call& call,
                   RegionReader* regions = nullptr);

/// One output in a reply: where it goes is the reader's business.
struct ReplyPart {
  std::uint32_t record;  ///< index into call.args of the caller's own record; UINT32_MAX for a
                         ///< child of an output list for which the call has no record
  std::uint32_t arg, child;
  std::uint8_t form, type, rank;
  const std::int64_t* dims;  ///< into the head; inout tensors have the shape they had in the call
  std::uint64_t bytes;
  std::uint64_t offset;      ///< in the payload
  const std::byte* in_head;  ///< not null: the data lies in the head (meta), not in the payload
  bool in_region;            ///< the data lies where the call's record points to
};
struct ListCount {
  std::uint32_t arg, count;
};

/// Checks a reply's head (header, records, meta and padding; 8-byte aligned) against the call it
/// answers, and lists its arrays and tensors, empty ones too, in payload order. Scalars are written
/// to call.args at the end, once all is checked. `list_counts` gets (arg, count) of every out list
/// that is there. A failure is VAC_EPROTO and leaves `call` untouched. Only for replies with code
/// VAC_OK. `placed`: the results that the peer may have left in a region.
Status decode_reply(const Op& op, std::span<const std::byte> head, vac_call& call,
                    std::vector<ReplyPart>& parts, std::vector<ListCount>& list_counts,
                    std::span<const RegionResult> placed = {});

/// The code of a failed reply, a goodbye or the end of a payload; `otherwise` where the peer gave a
/// number that no failure can have: VAC_OK, VAC_EINPROGRESS, more than an int holds.
int failure_code(const FrameHeader& header, int otherwise) noexcept;

/// Text of a failed reply or a goodbye, up to its first zero byte, made printable; empty for a head
/// that has none.
std::string failure_text(std::span<const std::byte> head);

}  // namespace vac::wire
