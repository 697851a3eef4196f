// SPDX-License-Identifier: Apache-2.0
// Resources: announced and uploaded by the first call that uses them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <map>
#include <string>
#include <thread>

#include "connection_fixture.hpp"
#include "patience.hpp"
#include "plugin_fixture.hpp"

namespace vac::remote {
namespace {

using test::ReceivedFrame;
using test::ScriptedPeer;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr std::uint32_t kAdd = 2, kOpen = 3, kData = 4, kDrop = 5;
constexpr std::uint64_t kId = 77;
constexpr std::size_t kMiB = std::size_t{1} << 20;

std::string numbered(std::size_t bytes) {
  std::string text(bytes, '\0');
  for (std::size_t i = 0; i < bytes; ++i) text[i] = static_cast<char>(i * 7 + i / 1000);
  return text;
}

std::vector<std::byte> bytes_of(const std::vector<std::uint32_t>& values) {
  const auto bytes = std::as_bytes(std::span(values));
  return {bytes.begin(), bytes.end()};
}

/// Takes one call and checks which it is.
ReceivedFrame expect_call(ScriptedPeer& agent, std::uint32_t op) {
  ReceivedFrame frame = agent.receive();
  EXPECT_EQ(frame.header.kind, wire::Kind::call);
  EXPECT_EQ(frame.header.code, op);
  return frame;
}

void answer_add(ScriptedPeer& agent, ReceivedFrame& frame, const std::vector<std::uint32_t>& need) {
  agent.reply(frame, {.scalars = {{2, kId}}, .outputs = {{.arg = 3, .data = bytes_of(need)}}});
}

/// Answers pieces until the files are whole; nothing of them comes twice. Never more than four
/// pieces are in flight.
std::map<std::uint64_t, std::string> take_files(ScriptedPeer& agent,
                                                const std::map<std::uint64_t, std::size_t>& sizes) {
  std::map<std::uint64_t, std::string> files;
  std::size_t total = 0, taken = 0;
  for (const auto& [file, size] : sizes) total += size;
  while (taken < total) {
    ReceivedFrame piece = expect_call(agent, kData);
    EXPECT_EQ(piece.scalar(0), kId);
    std::string& file = files[piece.scalar(1)];
    EXPECT_EQ(piece.scalar(2), file.size());
    EXPECT_LE(piece.data(3).size(), kMiB);
    file += piece.text(3);
    taken += piece.data(3).size();
    agent.reply(piece);
  }
  return files;
}

void expect_load(ScriptedPeer& agent) {
  ReceivedFrame load = expect_call(agent, VAC_OP_MODEL_LOAD);
  EXPECT_EQ(load.scalar(0), kId);
  agent.reply(load);
}

TEST(RemoteResource, IsUploadedByItsFirstUseAndDroppedAtDetach) {
  TestResource model(VAC_RESOURCE_FILE);
  model.add_file("net.pt", numbered(5 * kMiB / 2));
  TestSession session([&](ScriptedPeer& agent) {
    ReceivedFrame add = expect_call(agent, kAdd);
    EXPECT_EQ(add.text(0), model.digest(0) + " 2621440 net.pt\n");
    EXPECT_EQ(add.text(1), R"({"threads":2})");
    answer_add(agent, add, {0});
    const auto files = take_files(agent, {{0, model.content(0).size()}});
    EXPECT_EQ(files.at(0), model.content(0));
    expect_load(agent);
    expect_load(agent);
    ReceivedFrame drop = expect_call(agent, kDrop);
    EXPECT_EQ(drop.scalar(0), kId);
    EXPECT_TRUE(agent.at_end());
  });
  void* state = session.attach(model);
  for (int i = 0; i < 2; ++i) {
    LoadCall call(state);
    EXPECT_EQ(session.submit(call.fake), VAC_OK) << call.host.error;
    EXPECT_EQ(call.host.progress_done, i == 0 ? model.content(0).size() : 0);
  }
  session.detach(state);
}

TEST(RemoteResource, SendsOnlyTheFilesThatTheAgentLacks) {
  TestResource folder(VAC_RESOURCE_DIRECTORY);
  folder.add_file("a", "first");
  folder.add_file("b", "");
  folder.add_file("c", "third");
  folder.add_file("d", numbered(3 * kMiB));
  TestSession session([&](ScriptedPeer& agent) {
    ReceivedFrame add = expect_call(agent, kAdd);
    EXPECT_EQ(add.text(0), "directory\n" + folder.digest(0) + " 5 a\n" + folder.digest(1) +
                               " 0 b\n" + folder.digest(2) + " 5 c\n" + folder.digest(3) +
                               " 3145728 d\n");
    answer_add(agent, add, {2, 3});
    const auto files = take_files(agent, {{2, 5}, {3, 3 * kMiB}});
    EXPECT_EQ(files.at(2), "third");
    EXPECT_EQ(files.at(3), folder.content(3));
    expect_load(agent);
  });
  void* state = session.attach(folder);
  LoadCall call(state);
  EXPECT_EQ(session.submit(call.fake), VAC_OK) << call.host.error;
  session.detach(state);
}

TEST(RemoteResource, SendsBytesFromTheirPlaceAndNothingThatTheAgentHas) {
  for (const bool held : {false, true}) {
    TestResource bytes(VAC_RESOURCE_BYTES);
    bytes.add_bytes("bytes", numbered(9 * kMiB));
    TestSession session([&](ScriptedPeer& agent) {
      ReceivedFrame add = expect_call(agent, kAdd);
      answer_add(agent, add, held ? std::vector<std::uint32_t>{} : std::vector<std::uint32_t>{0});
      if (!held) {
        EXPECT_EQ(take_files(agent, {{0, 9 * kMiB}}).at(0), bytes.content(0));
      }
      expect_load(agent);
    });
    void* state = session.attach(bytes);
    LoadCall call(state);
    EXPECT_EQ(session.submit(call.fake), VAC_OK) << call.host.error;
    session.detach(state);
  }
}

TEST(RemoteResource, KeepsFourPiecesInFlight) {
  TestResource bytes(VAC_RESOURCE_BYTES);
  bytes.add_bytes("bytes", numbered(6 * kMiB));
  TestSession session([&](ScriptedPeer& agent) {
    ReceivedFrame add = expect_call(agent, kAdd);
    answer_add(agent, add, {0});
    std::vector<ReceivedFrame> pieces;
    for (int i = 0; i < 4; ++i) pieces.push_back(expect_call(agent, kData));
    EXPECT_FALSE(agent.readable());
    for (ReceivedFrame& piece : pieces) agent.reply(piece);
    for (int i = 0; i < 2; ++i) {
      ReceivedFrame piece = expect_call(agent, kData);
      agent.reply(piece);
    }
    expect_load(agent);
  });
  void* state = session.attach(bytes);
  LoadCall call(state);
  EXPECT_EQ(session.submit(call.fake), VAC_OK) << call.host.error;
  session.detach(state);
}

TEST(RemoteResource, IsSentInPiecesThatFitIntoAFrame) {
  constexpr std::size_t kFrame = std::size_t{1} << 17;
  for (const std::size_t largest : {kFrame, kMiB, kMiB + 255, 2 * kMiB}) {
    SCOPED_TRACE(largest);
    TestResource model(VAC_RESOURCE_FILE);
    model.add_file("net.pt", numbered(5 * kMiB / 2));
    wire::Hello hello;
    hello.largest_frame = largest;
    TestSession session(
        [&](ScriptedPeer& agent) {
          ReceivedFrame add = expect_call(agent, kAdd);
          answer_add(agent, add, {0});
          std::string file;
          while (file.size() < model.content(0).size()) {
            ReceivedFrame piece = expect_call(agent, kData);
            EXPECT_LE(wire::frame_bytes(piece.header), largest);
            EXPECT_EQ(piece.scalar(2), file.size());
            file += piece.text(3);
            agent.reply(piece);
          }
          EXPECT_EQ(file, model.content(0));
          expect_load(agent);
        },
        "{}", hello);
    void* state = session.attach(model);
    LoadCall call(state);
    EXPECT_EQ(session.submit(call.fake), VAC_OK) << call.host.error;
    session.detach(state);
  }
}

TEST(RemoteResource, OpensAUriAtTheAgent) {
  TestResource model(VAC_RESOURCE_URI);
  model.set_uri("model://lite0");
  TestSession session([&](ScriptedPeer& agent) {
    ReceivedFrame open = expect_call(agent, kOpen);
    EXPECT_EQ(open.text(0), "model://lite0");
    agent.fail(open.header.request, VAC_ENOENT, 0, "there is no model 'lite0': there is 'lite1'");
    open = expect_call(agent, kOpen);
    agent.reply(open, {.scalars = {{2, kId}},
                       .outputs = {{.arg = 3, .data = std::vector(64, std::byte{'a'})}}});
    expect_load(agent);
  });
  void* state = session.attach(model);
  LoadCall call(state);
  EXPECT_EQ(session.submit(call.fake), VAC_ENOENT);
  EXPECT_EQ(call.host.error,
            "resource 'model://lite0': there is no model 'lite0': there is 'lite1'");
  EXPECT_EQ(session.submit(call.fake), VAC_OK) << call.host.error;
  session.detach(state);
}

TEST(RemoteResource, IsTriedAgainAfterAnUploadThatFailed) {
  TestResource bytes(VAC_RESOURCE_BYTES);
  bytes.add_bytes("bytes", numbered(3 * kMiB));
  TestSession session([&](ScriptedPeer& agent) {
    ReceivedFrame add = expect_call(agent, kAdd);
    answer_add(agent, add, {0});
    for (int i = 0; i < 3; ++i) {
      ReceivedFrame piece = expect_call(agent, kData);
      if (i < 2) {
        agent.reply(piece);
      } else {
        agent.fail(piece.header.request, VAC_EBADMSG, 0, "the bytes do not match their digest");
      }
    }
    ReceivedFrame drop = expect_call(agent, kDrop);
    EXPECT_EQ(drop.scalar(0), kId);
    agent.reply(drop);
    add = expect_call(agent, kAdd);
    answer_add(agent, add, {});
    expect_load(agent);
  });
  void* state = session.attach(bytes);
  LoadCall call(state);
  EXPECT_EQ(session.submit(call.fake), VAC_EBADMSG);
  EXPECT_EQ(call.host.error, "resource 'bytes': the bytes do not match their digest");
  EXPECT_EQ(session.submit(call.fake), VAC_OK) << call.host.error;
  session.detach(state);
}

TEST(RemoteResource, SaysThatTheAgentDiedDuringTheUpload) {
  TestResource bytes(VAC_RESOURCE_BYTES);
  bytes.add_bytes("bytes", numbered(20 * kMiB));
  TestSession session([&](ScriptedPeer& agent) {
    ReceivedFrame add = expect_call(agent, kAdd);
    answer_add(agent, add, {0});
    ReceivedFrame piece = expect_call(agent, kData);
    agent.reply(piece);
    (void)expect_call(agent, kData);
  });
  void* state = session.attach(bytes);
  LoadCall call(state);
  EXPECT_EQ(session.submit(call.fake), VAC_EREMOTEIO);
  EXPECT_THAT(call.host.error,
              AllOf(HasSubstr("resource 'bytes': connection to unix://"), HasSubstr("was lost")));
  EXPECT_EQ(session.submit(call.fake), VAC_EREMOTEIO);
  session.detach(state);
}

TEST(RemoteResource, SaysThatAFileIsGoneOrShorter) {
  for (const bool gone : {true, false}) {
    TestResource model(VAC_RESOURCE_FILE);
    model.add_file("net.pt", numbered(1000));
    if (gone) {
      std::filesystem::remove(model.path(0));
    } else {
      std::filesystem::resize_file(model.path(0), 999);
    }
    TestSession session([&](ScriptedPeer& agent) {
      ReceivedFrame add = expect_call(agent, kAdd);
      answer_add(agent, add, {0});
      ReceivedFrame drop = expect_call(agent, kDrop);
      EXPECT_TRUE(agent.at_end());
    });
    void* state = session.attach(model);
    LoadCall call(state);
    EXPECT_EQ(session.submit(call.fake), gone ? VAC_ENOENT : VAC_EIO);
    EXPECT_THAT(call.host.error, AllOf(HasSubstr("resource 'net.pt': "), HasSubstr(model.path(0))));
    session.detach(state);
  }
}

TEST(RemoteResource, RefusesAnAgentThatAsksForWhatIsNotThere) {
  TestResource bytes(VAC_RESOURCE_BYTES);
  bytes.add_bytes("bytes", "x");
  TestSession session([&](ScriptedPeer& agent) {
    ReceivedFrame add = expect_call(agent, kAdd);
    answer_add(agent, add, {1});
    ReceivedFrame drop = expect_call(agent, kDrop);
    agent.reply(drop);
    add = expect_call(agent, kAdd);
    agent.reply(add);  // the id is 0
    add = expect_call(agent, kAdd);
    answer_add(agent, add, {0, 0});
    EXPECT_TRUE(agent.at_end());
  });
  void* state = session.attach(bytes);
  for (const char* why :
       {"asks for a file that is not there", "the id 0", "larger than it can be"}) {
    LoadCall call(state);
    EXPECT_EQ(session.submit(call.fake), VAC_EPROTO);
    EXPECT_THAT(call.host.error, HasSubstr(why));
  }
  session.detach(state);
}

TEST(RemoteResource, IsUploadedOnceForAllWhoUseItAtFirst) {
  constexpr int kUsers = 6;
  TestResource bytes(VAC_RESOURCE_BYTES);
  bytes.add_bytes("bytes", numbered(2 * kMiB));
  TestSession session([&](ScriptedPeer& agent) {
    ReceivedFrame add = expect_call(agent, kAdd);
    answer_add(agent, add, {0});
    EXPECT_EQ(take_files(agent, {{0, 2 * kMiB}}).at(0), bytes.content(0));
    for (int i = 0; i < kUsers; ++i) expect_load(agent);
  });
  void* state = session.attach(bytes);
  std::vector<std::thread> users;
  for (int i = 0; i < kUsers; ++i) {
    users.emplace_back([&] {
      LoadCall call(state);
      EXPECT_EQ(session.submit(call.fake), VAC_OK) << call.host.error;
    });
  }
  for (std::thread& user : users) user.join();
  session.detach(state);
}

TEST(RemoteResource, LetsAnotherUploadWhereTheFirstRanOutOfTime) {
  TestResource bytes(VAC_RESOURCE_BYTES);
  bytes.add_bytes("bytes", "content");
  std::promise<void> uploading;
  TestSession session([&](ScriptedPeer& agent) {
    (void)expect_call(agent, kAdd);  // never answered
    uploading.set_value();
    EXPECT_EQ(agent.receive().header.kind, wire::Kind::cancel);
    ReceivedFrame add = expect_call(agent, kAdd);
    answer_add(agent, add, {});
    expect_load(agent);
  });
  void* state = session.attach(bytes);
  std::thread first([&] {
    LoadCall call(state);
    call.fake.call().deadline_ns = now_ns() + 30'000'000;
    EXPECT_EQ(session.submit(call.fake), VAC_ETIMEDOUT);
  });
  uploading.get_future().wait();
  LoadCall call(state);
  EXPECT_EQ(session.submit(call.fake), VAC_OK) << call.host.error;
  first.join();
  session.detach(state);
}

TEST(RemoteResource, StopsAnUploadWhoseCallIsCancelled) {
  TestResource bytes(VAC_RESOURCE_BYTES);
  bytes.add_bytes("bytes", numbered(2 * kMiB));
  std::atomic<bool>* cancelled = nullptr;
  TestSession session([&](ScriptedPeer& agent) {
    ReceivedFrame add = expect_call(agent, kAdd);
    *cancelled = true;
    answer_add(agent, add, {0});
    (void)expect_call(agent, kDrop);
    EXPECT_TRUE(agent.at_end());
  });
  void* state = session.attach(bytes);
  LoadCall call(state);
  cancelled = &call.host.cancelled;
  EXPECT_EQ(session.submit(call.fake), VAC_ECANCELED);
  session.detach(state);
}

TEST(RemoteResource, IsNotAskedForByACallThatIsCancelled) {
  TestResource bytes(VAC_RESOURCE_BYTES);
  bytes.add_bytes("bytes", "content");
  TestSession session([&](ScriptedPeer& agent) { EXPECT_TRUE(agent.at_end()); });
  void* state = session.attach(bytes);
  LoadCall call(state);
  call.host.cancelled = true;
  EXPECT_EQ(session.submit(call.fake), VAC_ECANCELED);
  session.detach(state);
}

/// A call in a thread of its own.
class Waiting {
 public:
  Waiting(TestSession& session, void* state)
      : session_(session), call_(state), name_(call_.fake.call().host_priv), thread_([this] {
          sleeper_.is_me();
          code_ = session_.submit(call_.fake);
        }) {
    sleeper_.wait_until_asleep();
  }
  /// As the host does it: first it says so to whoever asks.
  void cancel() {
    call_.host.cancelled = true;
    session_.cancel(name_);
  }
  int code() {
    thread_.join();
    return code_;
  }
  const std::string& error() const { return call_.host.error; }

 private:
  TestSession& session_;
  LoadCall call_;
  const void* const name_;
  Sleeper sleeper_;
  int code_ = VAC_OK;
  std::thread thread_;
};

TEST(RemoteResource, CancelledCallsDoNotWaitForTheUploadOfAnotherNorDoItInstead) {
  TestResource model(VAC_RESOURCE_URI);
  model.set_uri("model://slow");
  std::promise<void> asked, cancelled;
  TestSession session([&](ScriptedPeer& agent) {
    (void)expect_call(agent, kOpen);
    asked.set_value();
    cancelled.get_future().wait();
    for (ReceivedFrame frame = agent.receive(); frame.header.kind != wire::Kind::cancel;
         frame = agent.receive()) {
      EXPECT_NE(frame.header.code, kOpen) << "it is asked for again";
      agent.reply(frame);
    }
    EXPECT_TRUE(agent.at_end());
  });
  void* state = session.attach(model);
  Waiting uploads(session, state);
  asked.get_future().wait();
  Waiting alone(session, state);
  Waiting with_it(session, state);
  alone.cancel();
  EXPECT_EQ(alone.code(), VAC_ECANCELED);
  EXPECT_THAT(alone.error(), HasSubstr("resource 'model://slow': cancelled"));
  with_it.cancel();
  uploads.cancel();
  cancelled.set_value();
  EXPECT_EQ(uploads.code(), VAC_ECANCELED);
  EXPECT_EQ(with_it.code(), VAC_ECANCELED);
  session.close();
  session.detach(state);
}

TEST(RemoteResource, MayBeDetachedAfterItsSession) {
  TestResource bytes(VAC_RESOURCE_BYTES);
  bytes.add_bytes("bytes", "content");
  TestSession session([&](ScriptedPeer& agent) {
    ReceivedFrame add = expect_call(agent, kAdd);
    answer_add(agent, add, {});
    expect_load(agent);
    (void)expect_call(agent, kDrop);
    EXPECT_TRUE(agent.at_end());
  });
  void* state = session.attach(bytes);
  LoadCall call(state);
  EXPECT_EQ(session.submit(call.fake), VAC_OK) << call.host.error;
  session.close();
  session.detach(state);
}

TEST(RemoteResource, IsNotAskedForWhereTheArgumentIsAbsent) {
  TestSession session([&](ScriptedPeer& agent) {
    ReceivedFrame call = expect_call(agent, VAC_OP_IMAGE_CLASSIFY);
    EXPECT_EQ(call.argument(0).form, VAC_ABSENT);
    agent.reply(call);
  });
  test::FakeHost host;
  test::FakeCall call(host, VAC_OP_IMAGE_CLASSIFY);
  call.absent(VAC_RESOURCE, VAC_IN).array(VAC_BYTE, "image", 5).scalar(VAC_U32, 3);
  call.out_array(VAC_CHAR, nullptr, VAC_ANY_BYTES).absent(VAC_BYTE, VAC_OUT);
  EXPECT_EQ(session.submit(call), VAC_OK) << host.error;
}

}  // namespace
}  // namespace vac::remote
