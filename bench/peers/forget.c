/* Has the kernel drop what it keeps of the contents of files; their names stay known.
 *
 * Argument: a file of paths, one a line.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int forget(const char *path) {
  const int fd = open(path, O_RDONLY);
  if (fd < 0) return errno;
  const int error = posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
  close(fd);
  return error;
}

int main(int argc, char **argv) {
  FILE *list = argc == 2 ? fopen(argv[1], "r") : NULL;
  if (!list) {
    fprintf(stderr, "forget: a file of paths is needed that can be read\n");
    return 2;
  }
  char *line = NULL;
  size_t capacity = 0;
  for (ssize_t length; (length = getline(&line, &capacity, list)) > 0;) {
    if (line[length - 1] == '\n') line[length - 1] = '\0';
    const int error = forget(line);
    if (error == 0) continue;
    fprintf(stderr, "forget: %s: %s\n", line, strerror(error));
    return 1;
  }
  free(line);
  fclose(list);
  return 0;
}
