/* The limit: what a plain loop over libgfapi does with the same files, without HTTP.
 *
 * Arguments: volume, server, file with the small files' paths, their size, path of the large file.
 * Then one command a line on standard input, each answered with one line of JSON:
 *   files SECONDS SEED    eight threads: walk a random path by held handles, read it whole
 *   download SECONDS      one thread: open the large file, read it by 1 MiB, until the time has passed
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

enum { THREADS = 8, MAX_DEPTH = 8, MAX_MICROSECONDS = 1 << 20, LARGE_READ = 1 << 20 };

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
  uint64_t random;
  uint64_t requests;
  uint64_t errors;
  uint32_t *histogram; /* requests by microseconds */
};

static volatile int stopping;

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

static void *run_thread(void *arg) {
  struct thread_state *state = arg;
  char *buffer = malloc(file_size);
  if (!buffer) die("memory");
  while (!stopping) {
    state->random ^= state->random << 13;
    state->random ^= state->random >> 7;
    state->random ^= state->random << 17;
    const double start = now();
    if (serve(&targets[state->random % target_count], buffer) != 0) state->errors++;
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

static void answer(uint64_t requests, double seconds, uint64_t bytes, uint64_t errors, uint64_t p50,
                   uint64_t p99) {
  printf("{\"requests\":%lu,\"microseconds\":%.0f,\"bytes\":%lu,\"errors\":%lu,\"p50\":%lu,\"p99\":%lu}\n",
         requests, seconds * 1e6, bytes, errors, p50, p99);
  fflush(stdout);
}

static void files(double seconds, uint64_t seed) {
  static struct thread_state states[THREADS];
  stopping = 0;
  const double start = now();
  for (int i = 0; i < THREADS; i++) {
    uint32_t *histogram = states[i].histogram;
    if (!histogram) histogram = malloc(MAX_MICROSECONDS * sizeof(*histogram));
    if (!histogram) die("memory");
    memset(histogram, 0, MAX_MICROSECONDS * sizeof(*histogram));
    states[i] = (struct thread_state){.histogram = histogram};
    states[i].random = (seed * THREADS + (uint64_t)i + 1) * UINT64_C(0x9E3779B97F4A7C15);
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
  answer(requests, took, requests * file_size, errors, percentile(states, requests + errors, 0.5),
         percentile(states, requests + errors, 0.99));
}

static void download(const char *path, double seconds) {
  char *buffer = malloc(LARGE_READ);
  if (!buffer) die("memory");
  uint64_t requests = 0, bytes = 0, errors = 0;
  const double start = now();
  while (now() - start < seconds && errors == 0) {
    struct stat st;
    glfs_object_t *object = glfs_h_lookupat(fs, NULL, path, &st, 0);
    glfs_fd_t *fd = object ? glfs_h_open(fs, object, O_RDONLY) : NULL;
    off_t offset = 0;
    while (fd && offset < st.st_size) {
      const ssize_t got = glfs_pread(fd, buffer, LARGE_READ, offset, 0, NULL);
      if (got <= 0) break;
      offset += got;
    }
    if (fd && offset == st.st_size) requests++;
    else errors++;
    bytes += (uint64_t)offset;
    if (fd) glfs_close(fd);
    if (object) glfs_h_close(object);
  }
  answer(requests, now() - start, bytes, errors, 0, 0);
  free(buffer);
}

int main(int argc, char **argv) {
  if (argc != 6) return 2;
  fs = glfs_new(argv[1]);
  if (!fs || glfs_set_logging(fs, "/dev/null", 4) != 0 ||
      glfs_set_volfile_server(fs, "tcp", argv[2], 24007) != 0 || glfs_init(fs) != 0) {
    die("can't connect");
  }
  read_targets(argv[3]);
  file_size = strtoul(argv[4], NULL, 10);
  puts("ready");
  fflush(stdout);
  char line[128];
  while (fgets(line, sizeof(line), stdin)) {
    double seconds = 0;
    unsigned long seed = 0;
    if (sscanf(line, "files %lf %lu", &seconds, &seed) == 2) files(seconds, seed);
    else if (sscanf(line, "download %lf", &seconds) == 1) download(argv[5], seconds);
  }
  _exit(0); /* glfs_fini takes seconds */
}
