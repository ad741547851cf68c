// Who requests come from, as far as JavaScript has told: of each connection the peer, and whom trusted ones speak for.
// Stands alone; whoever uses it does so on one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

namespace gfserve {

// Of one connection.
struct Peer {
  bool is_known = false;
  bool is_trusted = false;
  // The longest address of IPv6 has 45 letters.
  uint8_t length = 0;
  char address[46];

  std::string_view Address() const { return {address, length}; }

  // One that is too long is not known.
  void Tell(std::string_view text, bool trusted) {
    is_known = text.size() <= sizeof(address);
    if (!is_known) return;
    is_trusted = trusted;
    length = static_cast<uint8_t>(text.copy(address, sizeof(address)));
  }
};

// The clients behind trusted peers, by what X-Forwarded-For says. JavaScript, which finds them, bounds their number.
class ForwardedClients {
 public:
  void Tell(std::string_view peer, std::string_view forwarded_for, std::string_view client) {
    clients_[KeyOf(peer, forwarded_for)] = client;
  }

  // null: it has not been told.
  const std::string* Find(std::string_view peer, std::string_view forwarded_for) {
    const auto found = clients_.find(KeyOf(peer, forwarded_for));
    return found == clients_.end() ? nullptr : &found->second;
  }

  void Clear() { clients_.clear(); }

 private:
  // Valid until the next call. Neither has a line feed.
  const std::string& KeyOf(std::string_view peer, std::string_view forwarded_for) {
    key_.assign(peer);
    key_ += '\n';
    key_ += forwarded_for;
    return key_;
  }

  std::unordered_map<std::string, std::string> clients_;
  std::string key_;
};

}  // namespace gfserve
