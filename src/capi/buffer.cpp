// SPDX-License-Identifier: Apache-2.0
#include <vac/buffer.h>

#include <memory>
#include <utility>

#include "base/text.hpp"
#include "capi/handles.hpp"
#include "capi/last_error.hpp"
#include "capi/process.hpp"
#include "core/session.hpp"
#include "core/visit.hpp"

int vac_buffer_new(vac_session* session, std::size_t bytes, vac_buffer** buffer) {
  return vac::capi::guarded([&]() -> vac::Status {
    if (session == nullptr || buffer == nullptr) {
      return vac::Error{vac::Errc::invalid,
                        vac::concat("buffer: argument '", session == nullptr ? "session" : "buffer",
                                    "' is NULL")};
    }
    const vac::core::Visit visit(session->core, session->process);
    if (visit.session() == nullptr) {
      return vac::capi::refused_visit(session).with_context("buffer");
    }
    auto made = std::make_unique<vac_buffer>();
    auto memory = visit.session()->new_buffer(bytes);
    if (!memory) return std::move(memory).error().with_context("buffer");
    made->memory = *std::move(memory);
    *buffer = made.release();
    return {};
  });
}

void vac_buffer_free(vac_buffer* buffer) { delete buffer; }

void* vac_buffer_data(const vac_buffer* buffer) {
  return buffer == nullptr ? nullptr : buffer->memory->data();
}

std::size_t vac_buffer_bytes(const vac_buffer* buffer) {
  return buffer == nullptr ? 0 : static_cast<std::size_t>(buffer->memory->bytes());
}
