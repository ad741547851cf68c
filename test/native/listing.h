// A folder's entries, as ListJob puts them into blocks (addon/jobs.h).
#pragma once

#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "client.h"

namespace gfserve::test {

struct Entry {
  double size, mtime;
  FileType type;
  std::string name;
};

// One block's.
inline std::vector<Entry> ParseEntries(const std::string& block) {
  std::vector<Entry> entries;
  for (size_t at = 0; at < block.size();) {
    CHECK(at + 18 <= block.size());
    Entry entry;
    std::memcpy(&entry.size, &block[at], sizeof(double));
    std::memcpy(&entry.mtime, &block[at + 8], sizeof(double));
    entry.type = static_cast<FileType>(block[at + 16]);
    const size_t length = static_cast<uint8_t>(block[at + 17]);
    CHECK(at + 18 + length <= block.size());
    entry.name = block.substr(at + 18, length);
    entries.push_back(entry);
    at += 18 + length;
  }
  return entries;
}

// To be released by its id, which this gives.
inline uint32_t OpenFolder(Client& client, const std::shared_ptr<const Root>& root) {
  OpenOptions listing;
  listing.listing = true;
  const Completion folder = client.Wait(client.Open(root, {""}, listing));
  CHECK(folder.status == Status::kOk);
  CHECK(folder.type == FileType::kDirectory);
  CHECK(folder.file_id != 0);
  return folder.file_id;
}

// Reads a whole folder, no name twice, and says how many completions that took.
inline std::map<std::string, Entry> List(Client& client, const std::shared_ptr<const Root>& root,
                                         int* batches) {
  const uint32_t folder = OpenFolder(client, root);
  std::map<std::string, Entry> entries;
  for (*batches = 1;; ++*batches) {
    const Answer part = Collect(client, client.Wait(client.List(folder)));
    CHECK(part.completion.status == Status::kOk);
    for (const Entry& entry : ParseEntries(part.body)) CHECK(entries.emplace(entry.name, entry).second);
    if (part.completion.candidate == 1) break;
    CHECK(*batches < 1000);
  }
  client.Release(folder);
  return entries;
}

}  // namespace gfserve::test
