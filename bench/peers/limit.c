/* The limit: what a plain loop over libgfapi does with the same files, without HTTP.
 *
 * Arguments: volume, server. Then one command a line on standard input, each answered with one line:
 *   load FILE SIZE              paths, one a line, of files that have so many bytes
 *   files SECONDS SEED          eight threads: walk one of those paths by held handles, read it whole; in the order of a
 *                               deck that is shuffled anew when it is through
 *   download SECONDS THREADS PATH
 *                               each thread: open a large file, read it by 1 MiB, until the time has passed
 */
#include <errno.h>
#include <fcntl.h>
#include <glusterfs/api/glfs-handles.h>
#include <glusterfs/api/glfs.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 8, MAX_DOWNLOADS = 64, MAX_DEPTH = 8, MAX_MICROSECONDS = 1 << 20, LARGE_READ = 1 << 20 };

/* A path cut into names, with the handle that each name led to the first time. */
struct target {
  char *names[MAX_DEPTH];
  struct node *nodes[MAX_DEPTH];
  int depth;
};

/* One name in one folder; all targets share those of their common folders. */
struct node {
  struct node *parent;
  struct node *next;
  const char *name;
  pthread_mutex_t mutex;
  glfs_object_t *object;
};

static glfs_t *fs;
static struct node *nodes;
static struct target *targets;
static size_t target_count;
static size_t file_size;

struct thread_state {
  pthread_t thread;
  uint64_t requests;
  uint64_t errors;
  uint32_t *histogram; /* requests by microseconds */
};

static volatile int stopping;

static pthread_mutex_t deck_mutex = PTHREAD_MUTEX_INITIALIZER;
static size_t dealt;
static uint64_t deck_random;

static void die(const char *what) {
  fprintf(stderr, "limit: %s: %s\n", what, strerror(errno));
  _exit(1);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct node *node_of(struct node *parent, const char *name, int is_file) {
  if (!is_file) {
    for (struct node *node = nodes; node; node = node->next) {
      if (node->parent == parent && strcmp(node->name, name) == 0) return node;
    }
  }
  struct node *node = calloc(1, sizeof(*node));
  if (!node) die("memory");
  node->parent = parent;
  node->name = name;
  pthread_mutex_init(&node->mutex, NULL);
  if (!is_file) { /* files are never looked for here */
    node->next = nodes;
    nodes = node;
  }
  return node;
}

static void read_targets(const char *file) {
  target_count = 0; /* of a former list only the handles of folders are used again */
  FILE *in = fopen(file, "r");
  if (!in) die(file);
  char *line = NULL;
  size_t capacity = 0;
  while (getline(&line, &capacity, in) > 0) {
    targets = realloc(targets, (target_count + 1) * sizeof(*targets));
    if (!targets) die("memory");
    struct target *target = &targets[target_count++];
    memset(target, 0, sizeof(*target));
    char *rest = strdup(line);
    for (char *name; (name = strsep(&rest, "/\n")) && target->depth < MAX_DEPTH;) {
      if (*name) target->names[target->depth++] = name;
    }
    struct node *parent = NULL;
    for (int i = 0; i < target->depth; i++) {
      parent = node_of(parent, target->names[i], i + 1 == target->depth);
      target->nodes[i] = parent;
    }
  }
  free(line);
  fclose(in);
  if (target_count == 0) die("no paths");
}

/* Proves by name that the held handle is still the right one, and takes it over the first time. */
static glfs_object_t *lookup(struct node *node, glfs_object_t *parent, struct stat *st) {
  glfs_object_t *found = glfs_h_lookupat(fs, parent, node->name, st, 0);
  if (!found) return NULL;
  pthread_mutex_lock(&node->mutex);
  if (!node->object) {
    node->object = found;
    found = NULL;
  }
  pthread_mutex_unlock(&node->mutex);
  if (found) glfs_h_close(found);
  return node->object;
}

static int serve(const struct target *target, char *buffer) {
  struct stat st;
  glfs_object_t *object = NULL;
  for (int i = 0; i < target->depth; i++) {
    object = lookup(target->nodes[i], object, &st);
    if (!object) return -1;
  }
  if ((size_t)st.st_size != file_size) return -1;
  return glfs_h_anonymous_read(fs, object, buffer, file_size, 0) == (ssize_t)file_size ? 0 : -1;
}

static struct target take_target(void) {
  pthread_mutex_lock(&deck_mutex);
  if (dealt == target_count) dealt = 0;
  deck_random ^= deck_random << 13;
  deck_random ^= deck_random >> 7;
  deck_random ^= deck_random << 17;
  const size_t other = dealt + deck_random % (target_count - dealt);
  const struct target chosen = targets[other];
  targets[other] = targets[dealt];
  targets[dealt++] = chosen;
  pthread_mutex_unlock(&deck_mutex);
  return chosen;
}

static void *run_thread(void *arg) {
  struct thread_state *state = arg;
  char *buffer = malloc(file_size);
  if (!buffer) die("memory");
  while (!stopping) {
    const struct target target = take_target();
    const double start = now();
    if (serve(&target, buffer) != 0) state->errors++;
    else state->requests++;
    const uint64_t us = (uint64_t)((now() - start) * 1e6);
    state->histogram[us < MAX_MICROSECONDS ? us : MAX_MICROSECONDS - 1]++;
  }
  free(buffer);
  return NULL;
}

static uint64_t percentile(const struct thread_state *states, uint64_t total, double share) {
  uint64_t seen = 0;
  for (uint64_t us = 0; us < MAX_MICROSECONDS; us++) {
    for (int i = 0; i < THREADS; i++) seen += states[i].histogram[us];
    if ((double)seen >= (double)total * share) return us;
  }
  return MAX_MICROSECONDS;
}

/* In microseconds. */
struct latency {
  uint64_t p50, p99, p999;
};

static void answer(uint64_t requests, double seconds, uint64_t bytes, uint64_t errors,
                   struct latency latency) {
  printf("{\"requests\":%lu,\"microseconds\":%.0f,\"bytes\":%lu,\"errors\":%lu,", requests, seconds * 1e6,
         bytes, errors);
  printf("\"p50\":%lu,\"p99\":%lu,\"p999\":%lu}\n", latency.p50, latency.p99, latency.p999);
  fflush(stdout);
}

static void files(double seconds, uint64_t seed) {
  static struct thread_state states[THREADS];
  stopping = 0;
  dealt = 0;
  deck_random = (seed + 1) * UINT64_C(0x9E3779B97F4A7C15);
  const double start = now();
  for (int i = 0; i < THREADS; i++) {
    uint32_t *histogram = states[i].histogram;
    if (!histogram) histogram = malloc(MAX_MICROSECONDS * sizeof(*histogram));
    if (!histogram) die("memory");
    memset(histogram, 0, MAX_MICROSECONDS * sizeof(*histogram));
    states[i] = (struct thread_state){.histogram = histogram};
    if (pthread_create(&states[i].thread, NULL, run_thread, &states[i]) != 0) die("thread");
  }
  usleep((useconds_t)(seconds * 1e6));
  stopping = 1;
  uint64_t requests = 0, errors = 0;
  for (int i = 0; i < THREADS; i++) {
    pthread_join(states[i].thread, NULL);
    requests += states[i].requests;
    errors += states[i].errors;
  }
  const double took = now() - start;
  const uint64_t all = requests + errors;
  answer(requests, took, requests * file_size, errors,
         (struct latency){.p50 = percentile(states, all, 0.5),
                          .p99 = percentile(states, all, 0.99),
                          .p999 = percentile(states, all, 0.999)});
}

struct download {
  pthread_t thread;
  const char *path;
  double end;
  uint64_t requests, bytes, errors;
};

static void *run_download(void *arg) {
  struct download *state = arg;
  char *buffer = malloc(LARGE_READ);
  if (!buffer) die("memory");
  while (now() < state->end && state->errors == 0) {
    struct stat st;
    glfs_object_t *object = glfs_h_lookupat(fs, NULL, state->path, &st, 0);
    glfs_fd_t *fd = object ? glfs_h_open(fs, object, O_RDONLY) : NULL;
    off_t offset = 0;
    int cut = 0;
    while (fd && offset < st.st_size && !(cut = now() >= state->end)) {
      const ssize_t got = glfs_pread(fd, buffer, LARGE_READ, offset, 0, NULL);
      if (got <= 0) break;
      offset += got;
    }
    if (fd && offset == st.st_size) state->requests++;
    else if (!cut) state->errors++;
    state->bytes += (uint64_t)offset;
    if (fd) glfs_close(fd);
    if (object) glfs_h_close(object);
  }
  free(buffer);
  return NULL;
}

static void download(const char *path, double seconds, int count) {
  static struct download states[MAX_DOWNLOADS];
  if (count > MAX_DOWNLOADS) die("too many downloads");
  const double start = now();
  for (int i = 0; i < count; i++) {
    states[i] = (struct download){.path = path, .end = start + seconds};
    if (pthread_create(&states[i].thread, NULL, run_download, &states[i]) != 0) die("thread");
  }
  uint64_t requests = 0, bytes = 0, errors = 0;
  for (int i = 0; i < count; i++) {
    pthread_join(states[i].thread, NULL);
    requests += states[i].requests;
    bytes += states[i].bytes;
    errors += states[i].errors;
  }
  answer(requests, now() - start, bytes, errors, (struct latency){0});
}

static void load(const char *file, unsigned long size) {
  read_targets(file);
  file_size = size;
  puts("loaded");
  fflush(stdout);
}

static void obey(const char *line) {
  char path[4096];
  double seconds = 0;
  unsigned long number = 0;
  int count = 0;
  if (sscanf(line, "load %4095s %lu", path, &number) == 2) load(path, number);
  else if (sscanf(line, "files %lf %lu", &seconds, &number) == 2) files(seconds, number);
  else if (sscanf(line, "download %lf %d %4095s", &seconds, &count, path) == 3)
    download(path, seconds, count);
  else die(line);
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  fs = glfs_new(argv[1]);
  if (!fs || glfs_set_logging(fs, "/dev/null", 4) != 0 ||
      glfs_set_volfile_server(fs, "tcp", argv[2], 24007) != 0 || glfs_init(fs) != 0) {
    die("can't connect");
  }
  puts("ready");
  fflush(stdout);
  char line[8192];
  while (fgets(line, sizeof(line), stdin)) obey(line);
  _exit(0); /* glfs_fini takes seconds */
}
