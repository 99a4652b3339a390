#pragma once

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "sink/redis/client/resp.h"

namespace millrace::redis {

/// A small Redis for unit tests, behind a Unix socket and served by whoever asks for the time: the client
/// does so in every round of a wait, so no thread is needed and every test runs the same way each time.
class FakeRedis final : public Clock {
 public:
  using Command = std::vector<std::string>;

  FakeRedis() : server_(std::make_unique<Server>()) {}

  [[nodiscard]] std::int64_t now_us() const override {
    server_->serve();
    return real_.now_us() + server_->ahead_us;
  }
  [[nodiscard]] std::int64_t wall_us() const override { return now_us(); }
  void sleep_until(std::int64_t until_us) override { real_.sleep_until(until_us); }
  void advance_us(std::int64_t by_us) { server_->ahead_us += by_us; }

  [[nodiscard]] const std::string& path() const { return server_->path; }
  /// Commands done since the last call, a line each, without MULTI and EXEC.
  [[nodiscard]] std::vector<std::string> take_done() { return std::exchange(server_->done, {}); }
  /// What a command is answered instead of being done, as on the wire; empty: it is done.
  void answer(std::function<std::string(const Command&)> how) { server_->instead = std::move(how); }
  void flush_all() { server_->keys.clear(); }
  void freeze(bool on) { server_->frozen = on; }
  void cut() { server_->close_client(); }
  [[nodiscard]] bool connected() const { return server_->client >= 0; }
  [[nodiscard]] std::map<std::string, std::map<std::string, std::string>>& keys() { return server_->keys; }

 private:
  struct Server {
    std::string directory = "/tmp/millrace-fake-XXXXXX";
    std::string path;
    int listener = -1;
    int client = -1;
    std::int64_t ahead_us = 0;
    ReplyParser parser;
    bool in_multi = false;
    bool frozen = false;
    std::deque<Command> queued;
    std::vector<std::string> done;
    std::function<std::string(const Command&)> instead;
    std::map<std::string, std::map<std::string, std::string>> keys;  ///< a document is under the field ""

    Server() {
      if (::mkdtemp(directory.data()) == nullptr) std::abort();
      path = directory + "/s";
      sockaddr_un address{};
      address.sun_family = AF_UNIX;
      std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
      listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
      if (::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) std::abort();
      if (::listen(listener, 4) != 0) std::abort();
    }
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;
    ~Server() {
      close_client();
      ::close(listener);
      ::unlink(path.c_str());
      ::rmdir(directory.c_str());
    }

    void close_client() {
      if (client >= 0) ::close(client);
      client = -1;
      parser = ReplyParser();
      in_multi = false;
      queued.clear();
    }

    void serve() {
      if (frozen) return;
      const int next = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (next >= 0) {
        close_client();
        client = next;
      }
      std::string buffer(64U << 10U, '\0');
      while (client >= 0) {
        const ssize_t count = ::recv(client, buffer.data(), buffer.size(), 0);
        if (count == 0) close_client();
        if (count <= 0) return;
        parser.feed(std::string_view(buffer).substr(0, static_cast<std::size_t>(count)));
        Reply words;
        while (client >= 0 && *parser.next(words)) {
          Command command;
          for (const Reply& word : words.elements) command.push_back(word.text);
          const std::string reply = take(command);
          if (client >= 0) static_cast<void>(::send(client, reply.data(), reply.size(), MSG_NOSIGNAL));
        }
      }
    }

    std::string take(const Command& command) {
      if (instead) {
        if (std::string reply = instead(command); !reply.empty()) {
          if (command[0] == "EXEC") in_multi = false;
          if (!in_multi) return reply;
        }
      }
      if (command[0] == "MULTI") {
        in_multi = true;
        queued.clear();
        return "+OK\r\n";
      }
      if (command[0] == "EXEC") {
        in_multi = false;
        std::string out = "*" + std::to_string(queued.size()) + "\r\n";
        for (const Command& one : queued) out += run(one);
        return out;
      }
      if (!in_multi) return run(command);
      queued.push_back(command);
      return "+QUEUED\r\n";
    }

    static std::string number(std::size_t value) { return ":" + std::to_string(value) + "\r\n"; }
    static std::string bulk(const std::string& text) {
      return "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n";
    }

    std::string run(const Command& command) {
      if (instead) {
        if (std::string reply = instead(command); !reply.empty()) return reply;
      }
      std::string line;
      for (const std::string& word : command) line += (line.empty() ? "" : " ") + word;
      done.push_back(line);
      const std::string& name = command[0];
      if (name == "COMMAND") return "*1\r\n*1\r\n+x\r\n";
      if (name == "SCRIPT") return bulk(command[2].find("TYPE") == std::string::npos ? "MERGE" : "REMOVE");
      if (name == "HGETALL") return get_all(command[1]);
      if (name == "HDEL") return remove_fields(command);
      if (name == "UNLINK" || name == "JSON.DEL") return unlink(command);
      if (name == "HMGET") return get_fields(command);
      if (name == "HSET") return number(set_fields(command[1], command, 2));
      if (name == "SCAN") return scan();
      if (name == "JSON.SET") keys[command[1]][""] = command[3];
      if (name == "EVAL") return move(command);
      return "+OK\r\n";
    }

    std::string unlink(const Command& command) {
      std::size_t count = 0;
      for (std::size_t i = 1; i < command.size(); ++i) count += keys.erase(command[i]);
      return number(count);
    }

    std::string get_fields(const Command& command) {
      std::string out = "*" + std::to_string(command.size() - 2) + "\r\n";
      for (std::size_t i = 2; i < command.size(); ++i) {
        const auto key = keys.find(command[1]);
        const bool there = key != keys.end() && key->second.contains(command[i]);
        out += there ? bulk(key->second[command[i]]) : "$-1\r\n";
      }
      return out;
    }

    std::string get_all(const std::string& key) {
      std::string out;
      std::size_t count = 0;
      if (keys.contains(key)) {
        for (const auto& [field, value] : keys[key]) out += bulk(field) + bulk(value);
        count = 2 * keys[key].size();
      }
      return "*" + std::to_string(count) + "\r\n" + out;
    }

    std::string remove_fields(const Command& command) {
      std::size_t count = 0;
      for (std::size_t i = 2; i < command.size(); ++i) count += keys[command[1]].erase(command[i]);
      return number(count);
    }

    std::size_t set_fields(const std::string& key, const Command& command, std::size_t first) {
      const std::size_t before = keys[key].size();
      for (std::size_t i = first; i + 1 < command.size(); i += 2) keys[key][command[i]] = command[i + 1];
      return keys[key].size() - before;
    }

    /// All keys, whatever the pattern: an exact match is the client's own affair.
    std::string scan() {
      std::string out = "*2\r\n$1\r\n0\r\n*" + std::to_string(keys.size()) + "\r\n";
      for (const auto& [key, fields] : keys) out += bulk(key);
      return out;
    }

    /// The script that moves a document: EVAL text 3 from to position log L position P ...
    std::string move(const Command& command) {
      keys.erase(command[3]);
      keys[command[4]][""] = command[10];
      const Command position(command.begin() + 6, command.begin() + 10);
      return number(set_fields(command[5], position, 0));
    }
  };

  SystemClock real_;
  std::unique_ptr<Server> server_;
};

}  // namespace millrace::redis
