/*
 * Replays a committed corpus through a fuzz target without libFuzzer, so that every compiler with
 * sanitizers can do it: replay binary FILE|FOLDER...
 *
 * Each input is handed over in a heap block of exactly its size, so that the address sanitizer sees
 * one byte read too far. The empty input is always tried. Exit 1 when there was nothing to replay.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INPUT_MAX (16 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((weak));

static int replay_file(int dir, const char *name)
{
    struct stat st;
    uint8_t *data;
    size_t got = 0;
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > INPUT_MAX) {
        fprintf(stderr, "%s: %s\n", name, fd < 0 ? strerror(errno) : "not a usable input");
        exit(1);
    }
    /* malloc(0) may give NULL; a target may rely on data being a pointer that memcpy accepts. */
    data = malloc(st.st_size ? (size_t)st.st_size : 1);
    if (!data)
        abort();
    while (got < (size_t)st.st_size) {
        ssize_t n = read(fd, data + got, (size_t)st.st_size - got);

        if (n <= 0) {
            perror(name);
            exit(1);
        }
        got += (size_t)n;
    }
    close(fd);
    LLVMFuzzerTestOneInput(data, got);
    free(data);
    return 1;
}

static int replay_folder(const char *path)
{
    int count = 0;
    DIR *dir = opendir(path);
    struct dirent *entry;

    if (!dir) {
        perror(path);
        exit(1);
    }
    while ((entry = readdir(dir))) {
        if (entry->d_name[0] != '.')
            count += replay_file(dirfd(dir), entry->d_name);
    }
    closedir(dir);
    return count;
}

int main(int argc, char **argv)
{
    static const uint8_t nothing[1];
    int count = 0;

    if (LLVMFuzzerInitialize)
        LLVMFuzzerInitialize(&argc, &argv);
    LLVMFuzzerTestOneInput(nothing, 0);
    for (int i = 1; i < argc; i++) {
        struct stat st;

        if (stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode))
            count += replay_folder(argv[i]);
        else
            count += replay_file(AT_FDCWD, argv[i]);
    }
    printf("%d inputs\n", count);
    return count > 0 ? 0 : 1;
}
