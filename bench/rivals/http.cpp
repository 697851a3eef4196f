// SPDX-License-Identifier: Apache-2.0
// Plain HTTP/1.1: a POST with the payload, on one connection that is kept, from libcurl to GNU
// libmicrohttpd with a thread a connection.
#include <curl/curl.h>
#include <microhttpd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <vector>

#include "rival.hpp"
#include "transport/channel.hpp"

namespace vac::bench {
namespace {

constexpr std::size_t kServerMemory = 1 << 20;
constexpr long kClientMemory = 1 << 20;

MHD_Result handle(void* /*user*/, MHD_Connection* connection, const char* /*url*/,
                  const char* /*method*/, const char* /*version*/, const char* data,
                  std::size_t* bytes, void** request) {
  static int begun;
  static char reply[kReplyBytes] = {};
  if (*request == nullptr) {
    *request = &begun;
    return MHD_YES;
  }
  if (*bytes != 0) {
    cli::read_payload(data, *bytes);
    *bytes = 0;
    return MHD_YES;
  }
  MHD_Response* response =
      MHD_create_response_from_buffer(sizeof reply, reply, MHD_RESPMEM_PERSISTENT);
  const MHD_Result queued = MHD_queue_response(connection, MHD_HTTP_OK, response);
  MHD_destroy_response(response);
  return queued;
}

/// The socket buffers are those of the product: an accepted socket has its listener's.
int listen_at(const std::string& path) {
  const int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
  if (socket < 0) return -1;
  const int size = transport::kSocketBufferBytes;
  ::setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  if (::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(socket, 8) != 0) {
    return -1;
  }
  return socket;
}

void serve(const std::string& path, const RivalOptions& /*options*/) {
  const int socket = listen_at(path);
  if (socket < 0) return;
  constexpr unsigned kFlags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD;
  if (MHD_start_daemon(kFlags, 0, nullptr, nullptr, handle, nullptr, MHD_OPTION_LISTEN_SOCKET,
                       socket, MHD_OPTION_CONNECTION_MEMORY_LIMIT, kServerMemory,
                       MHD_OPTION_END) == nullptr) {
    return;
  }
  for (;;) ::pause();
}

int enlarge_buffers(void* /*user*/, curl_socket_t socket, curlsocktype /*purpose*/) {
  const int size = transport::kSocketBufferBytes;
  ::setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  return CURL_SOCKOPT_OK;
}

class Client final : public cli::Subject {
 public:
  static Result<std::unique_ptr<Subject>> connect(const std::string& path,
                                                  const RivalOptions& options) {
    auto client = std::make_unique<Client>(options.bytes);
    if (client->handle_ == nullptr) return Error{Errc::failed, "libcurl does not start"};
    client->set_up(path);
    return client;
  }
  explicit Client(std::size_t bytes) : data_(bytes), handle_(curl_easy_init()) {}
  ~Client() override {
    curl_easy_cleanup(handle_);
    curl_slist_free_all(headers_);
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  Status call() override {
    received_ = 0;
    const CURLcode code = curl_easy_perform(handle_);
    if (code == CURLE_OK && received_ == kReplyBytes) return {};
    return Error{Errc::failed, std::string("HTTP: ") + curl_easy_strerror(code)};
  }

 private:
  void set_up(const std::string& path) {
    // Without this libcurl asks whether it may send, and waits.
    headers_ = curl_slist_append(headers_, "Expect:");
    headers_ = curl_slist_append(headers_, "Content-Type: application/octet-stream");
    curl_easy_setopt(handle_, CURLOPT_UNIX_SOCKET_PATH, path.c_str());
    curl_easy_setopt(handle_, CURLOPT_URL, "http://localhost/");
    curl_easy_setopt(handle_, CURLOPT_HTTPHEADER, headers_);
    curl_easy_setopt(handle_, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(data_.size()));
    curl_easy_setopt(handle_, CURLOPT_POSTFIELDS, data_.data());
    curl_easy_setopt(handle_, CURLOPT_UPLOAD_BUFFERSIZE, kClientMemory);
    curl_easy_setopt(handle_, CURLOPT_SOCKOPTFUNCTION, enlarge_buffers);
    curl_easy_setopt(handle_, CURLOPT_WRITEFUNCTION, receive);
    curl_easy_setopt(handle_, CURLOPT_WRITEDATA, &received_);
  }
  static std::size_t receive(const char* /*data*/, std::size_t size, std::size_t count,
                             void* received) {
    *static_cast<std::size_t*>(received) += size * count;
    return size * count;
  }

  const std::vector<char> data_;
  CURL* handle_;
  curl_slist* headers_ = nullptr;
  std::size_t received_ = 0;
};

}  // namespace
}  // namespace vac::bench

int main(int argc, char** argv) {
  return vac::bench::run_rival(argc, argv, {vac::bench::serve, vac::bench::Client::connect});
}
