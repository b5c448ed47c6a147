#include "daemon/trim.h"

#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/str.h"

struct mapping {
    uintptr_t start;
    uintptr_t end;
    bool read_only_file;
};

/* Hexadecimal digits; false: none, or too many. */
static bool take_hex(const char **p, uintptr_t *out)
{
    static const char digits[] = "0123456789abcdef";
    const char *start = *p;
    *out = 0;
    for (const char *d; **p && (d = strchr(digits, **p)); ++*p)
        *out = *out * 16 + (uintptr_t)(d - digits);
    return *p > start && *p - start <= (long)(2 * sizeof *out);
}

/* "55d0-55d8 r-xp 00000000 fe:00 1234   /usr/lib/x" */
static bool parse_header(const char *line, struct mapping *m)
{
    uintptr_t start;
    uintptr_t end;
    if (!take_hex(&line, &start) || *line++ != '-' || !take_hex(&line, &end) || *line++ != ' ')
        return false;
    m->start = start;
    m->end = end;
    m->read_only_file = (strncmp(line, "r--p ", 5) == 0 || strncmp(line, "r-xp ", 5) == 0) &&
                        strchr(line, '/') != NULL;
    return true;
}

void trim_memory(void)
{
    char line[4096];
    struct mapping now = {0};
    (void)malloc_trim(0);
    FILE *smaps = fopen("/proc/self/smaps", "re");
    if (!smaps)
        return;
    while (fgets(line, sizeof line, smaps)) {
        if (parse_header(line, &now))
            continue;
        /* Pages that relocation has written to are anonymous: dropping those would lose them. */
        if (now.read_only_file && str_starts_with(line, "Anonymous:") && strstr(line, " 0 kB"))
            (void)madvise((void *)now.start, now.end - now.start, MADV_DONTNEED);
    }
    (void)fclose(smaps);
}
