// SPDX-License-Identifier: Apache-2.0
// Handles that are closed, used by several threads, inherited by a child, or open at exit.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vac/vac.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "support/temp_directory.hpp"
#include "support/test_paths.hpp"

namespace {

using testing::HasSubstr;

vac_session* open_session() {
  ::setenv("VAC_PLUGINS", "noop", 1);
  vac_session* session = nullptr;
  EXPECT_EQ(vac_session_open("local:", nullptr, &session), VAC_OK) << vac_error_message();
  return session;
}

vac_resource* open_resource(vac_session* session) {
  vac_resource* resource = nullptr;
  EXPECT_EQ(vac_resource_open_bytes(session, "x", 1, nullptr, &resource), VAC_OK);
  return resource;
}

/// The exit status of a child that does `body`.
template <class Body>
int in_child(const Body& body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body());
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

TEST(ClosedHandles, AreTold) {
  vac_session* const session = open_session();
  vac_resource* const resource = open_resource(session);
  vac_session_close(session);
  EXPECT_EQ(vac_noop(session, nullptr, 0), VAC_EBADF);
  EXPECT_STREQ(vac_error_message(), "noop: the session is closed (VAC_EBADF)");
  vac_resource* another = nullptr;
  EXPECT_EQ(vac_resource_open_bytes(session, "x", 1, nullptr, &another), VAC_EBADF);
  vac_tensor* tensor = nullptr;
  EXPECT_EQ(vac_tensor_new(session, VAC_F32, 0, nullptr, &tensor), VAC_EBADF);
  std::size_t bytes = 0;
  EXPECT_EQ(vac_session_describe(session, nullptr, 0, &bytes), VAC_EBADF);
  EXPECT_STREQ(vac_session_address(session), "");
  EXPECT_STREQ(vac_resource_digest(resource), "");
  vac_session_close(session);
  vac_resource_close(resource);
}

TEST(ClosedHandles, AreToldWhileOthersComeAndGo) {
  vac_session* const closed = open_session();
  vac_session_close(closed);
  for (int i = 0; i < 200; ++i) {
    vac_session* const session = open_session();
    EXPECT_EQ(vac_noop(closed, nullptr, 0), VAC_EBADF);
    vac_session_close(session);
  }
}

TEST(Closing, WhileOthersCallIsSeenByEach) {
  for (int round = 0; round < 10; ++round) {
    vac_session* const session = open_session();
    std::atomic<int> calling{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        int code = vac_noop(session, "data", 4);
        ++calling;
        while (code == VAC_OK) code = vac_noop(session, "data", 4);
        EXPECT_EQ(code, VAC_EBADF) << vac_error_message();
      });
    }
    while (calling < 4) std::this_thread::yield();
    vac_session_close(session);
    for (std::thread& thread : threads) thread.join();
  }
}

TEST(Closing, BySeveralThreadsHappensOnce) {
  for (int round = 0; round < 10; ++round) {
    vac_session* const session = open_session();
    vac_resource* const resource = open_resource(session);
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        vac_resource_close(resource);
        vac_session_close(session);
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
}

TEST(Forking, LeavesTheHandlesToTheParent) {
  vac_session* const session = open_session();
  vac_resource* const resource = open_resource(session);
  EXPECT_EQ(in_child([&] {
              if (vac_noop(session, nullptr, 0) != VAC_EOWNERDEAD) return 1;
              if (std::string(vac_error_message()).find("before fork()") == std::string::npos) {
                return 2;
              }
              if (vac_model_load(session, resource) != VAC_EOWNERDEAD) return 3;
              vac_resource* another = nullptr;
              if (vac_resource_open_bytes(session, "x", 1, nullptr, &another) != VAC_EOWNERDEAD) {
                return 4;
              }
              vac_resource_close(resource);
              vac_session_close(session);
              return 0;
            }),
            0);
  EXPECT_EQ(vac_model_load(session, resource), VAC_OK) << vac_error_message();
  vac_session_close(session);
}

TEST(Forking, LetsTheChildOpenItsOwn) {
  vac_session* const session = open_session();
  EXPECT_EQ(in_child([&] {
              vac_session* own = nullptr;
              if (vac_session_open("local:", nullptr, &own) != VAC_OK) return 1;
              if (vac_noop(own, "data", 4) != VAC_OK) return 2;
              if (vac_noop(session, nullptr, 0) != VAC_EOWNERDEAD) return 3;
              vac_session_close(own);
              return vac_noop(own, nullptr, 0) == VAC_EBADF ? 0 : 4;
            }),
            0);
  vac_session_close(session);
}

TEST(Forking, WhileOtherThreadsCallHarmsNeither) {
  vac_session* const session = open_session();
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] {
      while (!stop) EXPECT_EQ(vac_noop(session, "data", 4), VAC_OK);
    });
  }
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(in_child([&] {
                vac_session* own = nullptr;
                if (vac_session_open("local:", nullptr, &own) != VAC_OK) return 1;
                const int code = vac_noop(own, "data", 4);
                vac_session_close(own);
                return code;
              }),
              0);
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  vac_session_close(session);
}

TEST(Exiting, WithCallsInFlightEnds) {
  vac_session_close(open_session());  // of the parent: not lost to the child
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(in_child([] {
                static vac_session* session = nullptr;  // known at the end: nothing is lost
                session = open_session();
                std::atomic<int> calling{0};
                for (int n = 0; n < 2; ++n) {
                  std::thread([&calling] {
                    ++calling;
                    while (vac_noop(session, "data", 4) == VAC_OK) {
                    }
                  }).detach();
                }
                while (calling < 2) std::this_thread::yield();
                std::exit(0);
                return 1;
              }),
              0);
  }
}

/// Uses a session when its thread ends, after the library's own word of that thread is gone.
struct LateUser {
  ~LateUser() {
    if (session != nullptr) code = vac_noop(session, nullptr, 0);
  }
  vac_session* session = nullptr;
  static std::atomic<int> code;
};
std::atomic<int> LateUser::code{-1};

TEST(Threads, MayCallWhileTheyEnd) {
  vac_session* const session = open_session();
  std::thread([&] {
    static thread_local LateUser user;
    user.session = session;
    EXPECT_EQ(vac_noop(session, nullptr, 0), VAC_OK);
  }).join();
  EXPECT_EQ(LateUser::code, VAC_OK);
  vac_session_close(session);
}

/// Lets this process open no further descriptor while it lives.
class NoDescriptors {
 public:
  NoDescriptors() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    rlimit none = before_;
    none.rlim_cur = 0;
    ::setrlimit(RLIMIT_NOFILE, &none);
  }
  ~NoDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  NoDescriptors(const NoDescriptors&) = delete;
  NoDescriptors& operator=(const NoDescriptors&) = delete;

 private:
  rlimit before_{};
};

/// What opening a session where a plugin must be loaded is answered with, first without descriptors
/// and then with some. In a child, whose plugins nobody has loaded.
int open_without_descriptors(const std::string& plugin) {
  ::setenv("VAC_PLUGINS", plugin.c_str(), 1);
  vac_session* session = nullptr;
  {
    const NoDescriptors none;
    if (vac_session_open("local:", nullptr, &session) == VAC_OK || session != nullptr) return 1;
    const std::string text = vac_error_message();
    if (text.find("oo many open files") == std::string::npos) return 2;
    if (vac_session_open("unix:///nowhere", nullptr, &session) == VAC_OK) return 3;
  }
  if (vac_session_open("local:", nullptr, &session) != VAC_OK) return 4;
  return vac_noop(session, nullptr, 0) == VAC_OK ? 0 : 5;
}

TEST(WithoutDescriptors, ASessionFailsAndOpensLater) {
  const vac::test::TempDirectory folder;
  const std::string copy = (folder / "noop.so").string();
  std::filesystem::copy_file(vac::test::plugin("noop"), copy);
  EXPECT_EQ(in_child([&] { return open_without_descriptors(copy); }), 0);
}

TEST(WithoutDescriptors, AResourceFailsAndOpensLater) {
  const std::string file = vac::test::plugin("noop").string();
  vac_session* const session = open_session();
  vac_resource* resource = nullptr;
  {
    const NoDescriptors none;
    EXPECT_EQ(vac_resource_open_file(session, file.c_str(), nullptr, &resource), VAC_EMFILE);
    EXPECT_THAT(vac_error_message(), HasSubstr("oo many open files"));
    EXPECT_EQ(vac_resource_open_directory(session, "/", nullptr, &resource), VAC_EMFILE);
    EXPECT_EQ(resource, nullptr);
    EXPECT_EQ(vac_noop(session, "data", 4), VAC_OK) << "a call opens nothing";
  }
  EXPECT_EQ(vac_resource_open_file(session, file.c_str(), nullptr, &resource), VAC_OK);
  vac_session_close(session);
}

}  // namespace
