// SPDX-License-Identifier: Apache-2.0
// The system's own functions, behind those that the linker replaces in this program.
#pragma once

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

// NOLINTBEGIN(readability-identifier-naming,bugprone-reserved-identifier): the linker's names
extern "C" {
int __real_pthread_mutex_lock(pthread_mutex_t*);
int __real_pthread_mutex_trylock(pthread_mutex_t*);
int __real_pthread_mutex_unlock(pthread_mutex_t*);
int __real_clock_gettime(clockid_t, timespec*);
int __real_nanosleep(const timespec*, timespec*);
long __real_syscall(long, long, long, long, long, long, long);
int __real_epoll_wait(int, epoll_event*, int, int);
int __real_epoll_ctl(int, int, int, epoll_event*);
int __real_ppoll(pollfd*, nfds_t, const timespec*, const sigset_t*);
int __real_timerfd_settime(int, int, const itimerspec*, itimerspec*);
int __real_eventfd_write(int, eventfd_t);
ssize_t __real_recv(int, void*, size_t, int);
ssize_t __real_recvmsg(int, msghdr*, int);
ssize_t __real_send(int, const void*, size_t, int);
ssize_t __real_sendmsg(int, const msghdr*, int);
int __real_setsockopt(int, int, int, const void*, socklen_t);
int __real_connect(int, const sockaddr*, socklen_t);
int __real_shutdown(int, int);
int __real_sched_getcpu();
int __real_sched_setaffinity(pid_t, size_t, const cpu_set_t*);
int __real_close(int);
ssize_t __real_write(int, const void*, size_t);
}
// NOLINTEND(readability-identifier-naming,bugprone-reserved-identifier)
