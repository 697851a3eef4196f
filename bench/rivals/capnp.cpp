// SPDX-License-Identifier: Apache-2.0
// Cap'n Proto's RPC with its event loop, as its documentation has a first client and server.
#include <capnp/ez-rpc.h>
#include <kj/exception.h>

#include <vector>

#include "rival.capnp.h"
#include "rival.hpp"

namespace vac::bench {
namespace {

/// Messages of any size.
constexpr capnp::ReaderOptions kNoLimit{UINT64_MAX, 64};

class Service final : public schema::RivalService::Server {
  kj::Promise<void> call(CallContext context) override {
    const capnp::Data::Reader data = context.getParams().getData();
    cli::read_payload(reinterpret_cast<const char*>(data.begin()), data.size());
    context.getResults().initReply(kReplyBytes);
    return kj::READY_NOW;
  }
};

void serve(const std::string& path, const RivalOptions& /*options*/) {
  capnp::EzRpcServer server(kj::heap<Service>(), "unix:" + path, 0, kNoLimit);
  kj::NEVER_DONE.wait(server.getWaitScope());
}

/// Each call builds its message, which copies the payload: there is no message that is sent twice.
class Client final : public cli::Subject {
 public:
  Client(const std::string& path, const RivalOptions& options)
      : connection_(std::make_unique<Connection>(path)), data_(options.bytes) {}

  Status call() override {
    try {
      auto request = connection_->service.callRequest();
      request.setData(capnp::Data::Reader(data_.data(), data_.size()));
      const auto response = request.send().wait(connection_->client.getWaitScope());
      if (response.getReply().size() == kReplyBytes) return {};
      return Error{Errc::failed, "Cap'n Proto: the reply is not whole"};
    } catch (const kj::Exception& exception) {
      return Error{Errc::failed, exception.getDescription().cStr()};
    }
  }

 private:
  /// Its destructor may throw, a subject's may not.
  struct Connection {
    explicit Connection(const std::string& path)
        : client("unix:" + path, 0, kNoLimit), service(client.getMain<schema::RivalService>()) {}
    capnp::EzRpcClient client;
    schema::RivalService::Client service;
  };

  std::unique_ptr<Connection> connection_;
  const std::vector<unsigned char> data_;
};

Result<std::unique_ptr<cli::Subject>> connect(const std::string& path,
                                              const RivalOptions& options) {
  return std::make_unique<Client>(path, options);
}

}  // namespace
}  // namespace vac::bench

int main(int argc, char** argv) {
  return vac::bench::run_rival(argc, argv, {vac::bench::serve, vac::bench::connect});
}
