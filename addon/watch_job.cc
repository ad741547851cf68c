// The watch over a volume: its newest layout, and which bricks of it are connected.
#include <fcntl.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "jobs.h"

namespace gfserve {

namespace {

constexpr int kMostLooks = 6;  // at graphs that are exchanged meanwhile

struct Brick {
  std::string xlator, host, path;
  // Bricks with the same content: those of a replicate or disperse xlator, else the brick alone.
  std::string group;
  size_t needed = 1;  // how many of the group must be connected
};

// One xlator of a layout, as text.
struct Section {
  std::string name, type;
  std::vector<std::string> subvolumes;
  std::map<std::string, std::string> options;
};

std::vector<Section> SectionsOf(const std::string& volfile) {
  std::vector<Section> sections;
  std::istringstream lines(volfile);
  std::string line;
  while (std::getline(lines, line)) {
    std::istringstream words(line);
    std::string first, second, third;
    words >> first >> second;
    if (first == "volume") {
      sections.push_back({second, {}, {}, {}});
    } else if (sections.empty()) {
      continue;
    } else if (first == "type") {
      sections.back().type = second;
    } else if (first == "option" && words >> third) {
      sections.back().options[second] = third;
    } else if (first == "subvolumes") {
      for (; !second.empty(); second.clear(), words >> second) {
        sections.back().subvolumes.push_back(second);
      }
    }
  }
  return sections;
}

// The bricks of a layout: the xlators of type protocol/client.
std::vector<Brick> BricksOf(const std::string& volfile) {
  std::vector<Brick> bricks;
  for (Section& section : SectionsOf(volfile)) {
    if (section.type == "protocol/client") {
      const auto& options = section.options;
      const auto option = [&](const char* name) {
        const auto found = options.find(name);
        return found == options.end() ? std::string() : found->second;
      };
      bricks.push_back({section.name, option("remote-host"), option("remote-subvolume"),
                        section.name, 1});
    } else if (section.type == "cluster/replicate" || section.type == "cluster/disperse") {
      // Sections stand below those that use them, so the clients have been seen.
      size_t needed = 1;
      const auto redundancy = section.options.find("redundancy");
      if (redundancy != section.options.end()) {
        const size_t spare = strtoul(redundancy->second.c_str(), nullptr, 10);
        if (spare < section.subvolumes.size()) needed = section.subvolumes.size() - spare;
      }
      for (Brick& brick : bricks) {
        const auto& members = section.subvolumes;
        if (std::find(members.begin(), members.end(), brick.xlator) == members.end()) continue;
        brick.group = section.name;
        brick.needed = needed;
      }
    }
  }
  return bricks;
}

}  // namespace

// The meta xlator shows each client's state as text, with a line "connected = 1" behind one for each open
// file. What can't be read says nothing against the brick.
bool WatchJob::IsConnected(const std::string& xlator) const {
  const std::string path = "/.meta/graphs/active/" + xlator + "/private";
  glfs_fd_t* fd = glfs_open(volume_.fs(), path.c_str(), O_RDONLY);
  if (!fd) return true;
  const std::string no = "\nconnected = 0";
  std::string text = "\n";
  bool connected = true;
  std::vector<char> piece(64 << 10);
  for (off_t offset = 0; connected;) {
    const ssize_t got = glfs_pread(fd, piece.data(), piece.size(), offset, 0, nullptr);
    if (got <= 0) break;
    offset += got;
    text.append(piece.data(), static_cast<size_t>(got));
    connected = text.find(no) == std::string::npos;
    text.erase(0, text.size() - std::min(text.size(), no.size()));
  }
  glfs_close(fd);
  return connected;
}

// Each graph has a name of its own, also where the layout has come back to what it once was.
std::string WatchJob::NewestGraph() const {
  char name[256];
  const int length = glfs_readlink(volume_.fs(), "/.meta/graphs/active", name, sizeof(name));
  std::string graph(name, length > 0 ? static_cast<size_t>(length) : 0);
  std::replace_if(graph.begin(), graph.end(), [](unsigned char c) { return c <= ' '; }, '_');
  return graph;
}

std::string WatchJob::Bricks(const std::string& volfile) const {
  std::string text;
  for (const Brick& brick : BricksOf(volfile)) {
    const char* connected = IsConnected(brick.xlator) ? "1" : "0";
    text += brick.xlator + '\t' + brick.host + '\t' + brick.path + '\t' + connected + '\t' +
            brick.group + '\t' + std::to_string(brick.needed) + '\n';
  }
  return text;
}

void WatchJob::Execute() {
  bool changed = false;
  std::string volfile, graph, bricks;
  // A graph that is exchanged meanwhile would be taken for the former one with its bricks gone.
  for (int attempt = 0; attempt < kMostLooks; ++attempt) {
    graph = NewestGraph();
    volfile = volume_.Volfile();
    changed = volume_.NoticeVolfile(volfile) || changed;
    bricks = Bricks(volfile);
    if (NewestGraph() == graph) break;
  }
  const std::string text = std::string(changed ? "1 " : "0 ") +
                           (volume_.NeedsReconnect(volfile) ? "1 " : "0 ") + graph + '\n' + bricks;
  // The largest block is enough for thousands of bricks.
  const size_t length = std::min(text.size(), BlockPool::kLargest);
  if (!AcquireBlock(length)) return;
  memcpy(result_.block->data, text.data(), length);
  result_.length = static_cast<uint32_t>(length);
}

}  // namespace gfserve
