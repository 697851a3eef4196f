// SPDX-License-Identifier: Apache-2.0
#include "bench_affinity.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <thread>

namespace vac::cli {
namespace {

cpu_set_t cores_of(pid_t thread) {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  EXPECT_EQ(sched_getaffinity(thread, sizeof cores, &cores), 0);
  return cores;
}

int first_core() {
  const Result<Cores> cores = choose_cores(::getpid());
  EXPECT_TRUE(cores);
  return cores ? cores->first : 0;
}

/// A process that does nothing until the other end is closed.
class IdleProcess {
 public:
  IdleProcess() {
    int ends[2];
    EXPECT_EQ(::pipe(ends), 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::close(ends[1]);
      char byte;
      (void)!::read(ends[0], &byte, 1);
      ::_exit(0);
    }
    ::close(ends[0]);
    alive_ = ends[1];
  }
  ~IdleProcess() {
    ::close(alive_);
    ::kill(pid_, SIGKILL);  // keepers forked meanwhile hold the pipe open
    ::waitpid(pid_, nullptr, 0);
  }
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = 0;
  int alive_ = -1;
};

TEST(Affinity, ChoosesCoresThatBothMayUse) {
  const Result<Cores> cores = choose_cores(::getpid());
  ASSERT_TRUE(cores) << cores.error().message();
  const cpu_set_t ours = cores_of(0);
  EXPECT_TRUE(CPU_ISSET(cores->first, &ours));
  if (cores->second) {
    EXPECT_TRUE(CPU_ISSET(*cores->second, &ours));
    EXPECT_NE(*cores->second, cores->first);
  }
}

TEST(Affinity, NamesAProcessThatIsGone) {
  const Result<Cores> cores = choose_cores(0x3ffffff);
  ASSERT_FALSE(cores);
  EXPECT_NE(cores.error().text().find("process 67108863"), std::string::npos);
}

/// Whether nobody may pin `process`: 0 if not, 1 if so, 2 if this user cannot become nobody.
int nobody_may_pin(pid_t process) {
  const pid_t nobody = ::fork();
  if (nobody == 0) {
    constexpr uid_t kNobody = 65534;
    if (::setresuid(kNobody, kNobody, kNobody) != 0) ::_exit(2);
    ::_exit(may_pin(process) ? 1 : 0);
  }
  int status = -1;
  EXPECT_EQ(::waitpid(nobody, &status, 0), nobody);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(Affinity, TellsThatTheUserMayPinAProcessOfItsOwn) { EXPECT_TRUE(may_pin(::getpid())); }

TEST(Affinity, TellsThatTheUserMayNotPinAProcessOfAnother) {
  if (::geteuid() == 0) {
    EXPECT_EQ(nobody_may_pin(::getpid()), 0);
    return;
  }
  // Where this user's own process is the first one, as in some containers, there is no other's.
  struct stat first{};
  const bool own = ::stat("/proc/1", &first) == 0 && first.st_uid == ::geteuid();
  EXPECT_EQ(may_pin(1).has_value(), own);
}

TEST(Affinity, PinsEveryThreadAndBringsBackWhatWas) {
  const cpu_set_t before = cores_of(0);
  const int core = first_core();
  pid_t thread = 0;
  int ready[2];
  int stop[2];
  ASSERT_EQ(::pipe(ready), 0);
  ASSERT_EQ(::pipe(stop), 0);
  std::thread other([&] {
    thread = ::gettid();
    char byte = 0;
    (void)!::write(ready[1], &byte, 1);
    (void)!::read(stop[0], &byte, 1);
  });
  char byte;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  {
    const auto keeper = AffinityKeeper::start({::getpid()});
    ASSERT_TRUE(keeper) << keeper.error().message();
    ASSERT_TRUE(pin_process(0, core));
    for (const pid_t each : {::gettid(), thread}) {
      const cpu_set_t pinned = cores_of(each);
      EXPECT_EQ(CPU_COUNT(&pinned), 1);
      EXPECT_TRUE(CPU_ISSET(core, &pinned));
    }
  }
  for (const pid_t each : {::gettid(), thread}) {
    const cpu_set_t after = cores_of(each);
    EXPECT_TRUE(CPU_EQUAL(&after, &before));
  }
  (void)!::write(stop[1], &byte, 1);
  other.join();
  for (const int end : {ready[0], ready[1], stop[0], stop[1]}) ::close(end);
}

TEST(Affinity, BringsBackWhatWasWhenTheBenchmarksGroupIsKilled) {
  const IdleProcess agent;
  const cpu_set_t before = cores_of(agent.pid());
  const int core = first_core();
  int held[2];  // the benchmark and its keeper hold the write end: at its end both are gone
  int ready[2];
  ASSERT_EQ(::pipe(held), 0);
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t benchmark = ::fork();
  if (benchmark == 0) {
    ::setpgid(0, 0);
    const auto keeper = AffinityKeeper::start({agent.pid()});
    const char pinned = keeper && pin_process(agent.pid(), core) ? 'y' : 'n';
    (void)!::write(ready[1], &pinned, 1);
    for (;;) ::pause();
  }
  ::close(held[1]);
  char pinned = 0;
  EXPECT_EQ(::read(ready[0], &pinned, 1), 1);  // not ASSERT: the benchmark must be killed
  EXPECT_EQ(pinned, 'y');
  const cpu_set_t during = cores_of(agent.pid());
  EXPECT_EQ(CPU_COUNT(&during), 1);
  ::kill(-benchmark, SIGKILL);
  ::waitpid(benchmark, nullptr, 0);
  char byte;
  EXPECT_EQ(::read(held[0], &byte, 1), 0);
  const cpu_set_t after = cores_of(agent.pid());
  EXPECT_TRUE(CPU_EQUAL(&after, &before));
  for (const int end : {held[0], ready[0], ready[1]}) ::close(end);
}

}  // namespace
}  // namespace vac::cli
