/*
 * merge_text against libgit2's git_merge_file, both in one process on the same three files, in
 * turns: in_process BASE LOCAL CANONICAL ROUNDS. Prints medians in milliseconds as one JSON line.
 */
#include <git2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/fd.h"
#include "merge/text.h"

#include <fcntl.h>

#define ROUNDS_MAX 1000

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *v, size_t n)
{
    qsort(v, n, sizeof *v, by_value);
    return v[n / 2];
}

static double ours(const struct str text[3], struct merge_text_result *r)
{
    struct merge_slice s[3];
    for (int i = 0; i < 3; i++)
        s[i] = (struct merge_slice){text[i].p, text[i].len};
    double begin = now_ms();
    struct err err = ERR_INIT;
    BUG_ON(merge_text(s[0], s[1], s[2], r, &err) < 0);
    return now_ms() - begin;
}

static double theirs(const struct str text[3], git_merge_file_result *r)
{
    git_merge_file_input in[3];
    for (int i = 0; i < 3; i++) {
        BUG_ON(git_merge_file_input_init(&in[i], GIT_MERGE_FILE_INPUT_VERSION) < 0);
        in[i].ptr = text[i].p;
        in[i].size = text[i].len;
    }
    double begin = now_ms();
    BUG_ON(git_merge_file(r, &in[0], &in[1], &in[2], NULL) < 0);
    return now_ms() - begin;
}

int main(int argc, char **argv)
{
    struct str text[3] = {STR_INIT, STR_INIT, STR_INIT};
    static double a[ROUNDS_MAX], b[ROUNDS_MAX];
    struct err err = ERR_INIT;
    unsigned long rounds = argc == 5 ? strtoul(argv[4], NULL, 10) : 0;
    if (rounds < 1 || rounds > ROUNDS_MAX) {
        fprintf(stderr, "usage: in_process BASE LOCAL CANONICAL ROUNDS\n");
        return 2;
    }
    for (int i = 0; i < 3; i++) {
        if (fd_read_file(AT_FDCWD, argv[i + 1], MERGE_TEXT_MAX, &text[i], &err) < 0) {
            fprintf(stderr, "in_process: %s\n", err.msg);
            return 1;
        }
    }
    git_libgit2_init();
    bool same = true;
    for (size_t i = 0; i < rounds; i++) {
        struct merge_text_result r = MERGE_TEXT_RESULT_INIT;
        git_merge_file_result g = {0};
        b[i] = theirs(text, &g);
        a[i] = ours(text, &r);
        same = same && r.through_crdt && r.text.len == g.len && memcmp(r.text.p, g.ptr, g.len) == 0;
        merge_text_result_release(&r);
        git_merge_file_result_free(&g);
    }
    git_libgit2_shutdown();
    double x = median(a, rounds), y = median(b, rounds);
    printf("{\"bytes\": %zu, \"ours_ms\": %.3f, \"libgit2_ms\": %.3f, \"ratio\": %.2f, "
           "\"same_bytes\": %s}\n",
           text[0].len, x, y, x / y, same ? "true" : "false");
    for (int i = 0; i < 3; i++)
        str_release(&text[i]);
    return same ? 0 : 1;
}
