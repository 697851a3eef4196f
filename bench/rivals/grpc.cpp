// SPDX-License-Identifier: Apache-2.0
// gRPC C++, with the blocking interface on both sides, or with the callback interface on both.
#include <grpcpp/grpcpp.h>

#include <condition_variable>
#include <limits>
#include <mutex>

#include "rival.grpc.pb.h"
#include "rival.hpp"

namespace vac::bench {
namespace {

constexpr int kNoLimit = std::numeric_limits<int>::max();

void answer(const Request& request, Reply& reply) {
  cli::read_payload(request.data().data(), request.data().size());
  reply.set_data(std::string(kReplyBytes, '\0'));
}

class SyncService final : public RivalService::Service {
  grpc::Status Call(grpc::ServerContext* /*context*/, const Request* request,
                    Reply* reply) override {
    answer(*request, *reply);
    return grpc::Status::OK;
  }
};

class CallbackService final : public RivalService::CallbackService {
  grpc::ServerUnaryReactor* Call(grpc::CallbackServerContext* context, const Request* request,
                                 Reply* reply) override {
    answer(*request, *reply);
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
};

void serve(const std::string& path, const RivalOptions& options) {
  SyncService sync;
  CallbackService callback;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("unix:" + path, grpc::InsecureServerCredentials());
  builder.SetMaxReceiveMessageSize(kNoLimit);
  if (options.callback) {
    builder.RegisterService(&callback);
  } else {
    builder.RegisterService(&sync);
  }
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server) server->Wait();
}

/// The request is filled once and sent again and again.
class Client final : public cli::Subject {
 public:
  Client(const std::string& path, const RivalOptions& options) : callback_(options.callback) {
    grpc::ChannelArguments arguments;
    arguments.SetMaxSendMessageSize(kNoLimit);
    arguments.SetMaxReceiveMessageSize(kNoLimit);
    stub_ = RivalService::NewStub(
        grpc::CreateCustomChannel("unix:" + path, grpc::InsecureChannelCredentials(), arguments));
    request_.set_data(std::string(options.bytes, '\0'));
  }

  Status call() override {
    const grpc::Status status = callback_ ? call_back() : call_and_wait();
    if (status.ok() && reply_.data().size() == kReplyBytes) return {};
    return Error{Errc::failed, "gRPC: " + status.error_message()};
  }

 private:
  grpc::Status call_and_wait() {
    grpc::ClientContext context;
    return stub_->Call(&context, request_, &reply_);
  }
  grpc::Status call_back() {
    grpc::ClientContext context;
    grpc::Status result;
    std::mutex mutex;
    std::condition_variable ended;
    bool done = false;
    stub_->async()->Call(&context, &request_, &reply_, [&](const grpc::Status& status) {
      const std::lock_guard lock(mutex);
      result = status;
      done = true;
      ended.notify_one();
    });
    std::unique_lock lock(mutex);
    ended.wait(lock, [&] { return done; });
    return result;
  }

  const bool callback_;
  std::unique_ptr<RivalService::Stub> stub_;
  Request request_;
  Reply reply_;
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
