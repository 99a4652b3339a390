#include "http/socket.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>
#include <string>
#include <system_error>

#include "base/check.h"

namespace millrace {
namespace {

constexpr int kBacklog = 64;

std::string reason(int error) { return std::error_code(error, std::generic_category()).message(); }

Error cannot_listen(const HostPort& address, int error) {
  std::string hint;
  if (error == EADDRINUSE) hint = "another process has the port; end it or set http.listen to another one";
  if (error == EADDRNOTAVAIL)
    hint = "no network interface of this machine has the address; correct http.listen";
  if (error == EACCES) hint = "ports below 1024 are for root; set http.listen to a higher one";
  return stop_error("cannot listen on " + address.text() + ": " + reason(error), hint);
}

HostPort bound_address(int fd, const HostPort& asked) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return asked;
  const in_port_t port = storage.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(&storage)->sin6_port
                                                       : reinterpret_cast<sockaddr_in*>(&storage)->sin_port;
  return {asked.host, ntohs(port)};
}

}  // namespace

FileHandle::~FileHandle() {
  if (fd_ >= 0) ::close(fd_);
}

Result<Listening> listen_on(const HostPort& address) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* list = nullptr;
  const int failed = ::getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &list);
  if (failed != 0) {
    return stop_error("cannot listen on " + address.text() + ": " + ::gai_strerror(failed),
                      "correct http.listen");
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(list, &::freeaddrinfo);
  int error = EADDRNOTAVAIL;
  for (const addrinfo* one = list; one != nullptr; one = one->ai_next) {
    FileHandle handle(::socket(one->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!handle.valid()) {
      error = errno;
      continue;
    }
    // Address, not port: a second process on the same port must fail, but a restart must not wait for old
    // connections.
    const int on = 1;
    ::setsockopt(handle.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (::bind(handle.get(), one->ai_addr, one->ai_addrlen) == 0 && ::listen(handle.get(), kBacklog) == 0) {
      HostPort bound = bound_address(handle.get(), address);
      return Listening{std::move(handle), std::move(bound)};
    }
    error = errno;
  }
  return cannot_listen(address, error);
}

StopEvent::StopEvent() : handle_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  MILLRACE_CHECK(handle_.valid());
}

void StopEvent::set() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(handle_.get(), &one, sizeof one);
}

bool wait_for(int fd, short events, const StopEvent& stop, std::int64_t timeout_ms) {
  std::array<pollfd, 2> fds{{{fd, events, 0}, {stop.fd(), POLLIN, 0}}};
  for (;;) {
    const int ready = ::poll(fds.data(), fds.size(), static_cast<int>(timeout_ms < 0 ? 0 : timeout_ms));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0 || fds[1].revents != 0) return false;
    return (fds[0].revents & (events | POLLHUP)) != 0;
  }
}

}  // namespace millrace
