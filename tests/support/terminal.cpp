// SPDX-License-Identifier: Apache-2.0
#include "support/terminal.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <stdexcept>

namespace vac::test {

Terminal::Terminal() : reader_(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)) {
  std::array<char, 64> name{};
  termios plain{};
  if (!reader_ || ::grantpt(reader_.get()) != 0 || ::unlockpt(reader_.get()) != 0 ||
      ::ptsname_r(reader_.get(), name.data(), name.size()) != 0) {
    throw std::runtime_error("no pseudo-terminal");
  }
  path_ = name.data();
  device_.reset(::open(path_.c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!device_ || ::tcgetattr(device_.get(), &plain) != 0) {
    throw std::runtime_error("cannot open the pseudo-terminal");
  }
  ::cfmakeraw(&plain);  // else "\n" comes out as "\r\n"
  ::tcsetattr(device_.get(), TCSANOW, &plain);
}

std::string Terminal::text() {
  device_.reset();
  std::string text;
  std::array<char, 4096> buffer;
  // Fails with EIO once all has been read and the last writer is gone.
  for (ssize_t got; (got = ::read(reader_.get(), buffer.data(), buffer.size())) > 0;) {
    text.append(buffer.data(), static_cast<std::size_t>(got));
  }
  return text;
}

}  // namespace vac::test
