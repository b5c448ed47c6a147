#include "base/mem.h"

#include <link.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define HEADERS_MAX 32 /* of a library; linkers make a dozen */

static void die_no_memory(void)
{
    static const char text[] = "out of memory\n";
    if (write(STDERR_FILENO, text, sizeof text - 1) < 0)
        abort();
    abort();
}

void *xmalloc(size_t n)
{
    void *p = malloc(n ? n : 1);
    if (!p)
        die_no_memory();
    return p;
}

void *xcalloc(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size ? size : 1);
    if (!p)
        die_no_memory();
    return p;
}

void *xrealloc(void *p, size_t n)
{
    p = realloc(p, n ? n : 1);
    if (!p)
        die_no_memory();
    return p;
}

void *xreallocarray(void *p, size_t n, size_t size)
{
    if (size && n > SIZE_MAX / size)
        die_no_memory();
    return xrealloc(p, n * size);
}

char *xstrdup(const char *s)
{
    return xmemdup(s, strlen(s) + 1);
}

char *xstrndup(const char *s, size_t n)
{
    size_t len = strnlen(s, n);
    char *p = xmalloc(len + 1);
    memcpy(p, s, len);
    p[len] = '\0';
    return p;
}

void *xmemdup(const void *src, size_t n)
{
    void *p = xmalloc(n);
    if (n)
        memcpy(p, src, n);
    return p;
}

char *xasprintf(const char *fmt, ...)
{
    char *p = NULL;
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(&p, fmt, ap);
    va_end(ap);
    if (n < 0)
        die_no_memory();
    return p;
}

void mem_wipe(void *p, size_t n)
{
    if (p && n)
        explicit_bzero(p, n);
}

void free_secret(char *p)
{
    if (p) {
        explicit_bzero(p, strlen(p));
        free(p);
    }
}

void cleanup_freep(void *pp)
{
    void *p;
    memcpy(&p, pp, sizeof p);
    free(p);
}

void cleanup_free_secretp(char **pp)
{
    free_secret(*pp);
}

void cleanup_closep(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

/* Segments that cannot be written are the file's own bytes: dropped, they are read again. */
static int drop_segments(struct dl_phdr_info *info, size_t size, void *payload)
{
    (void)size;
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    (void)payload;
    /* The table lies in the first of the segments: read where it is after that was dropped, it
     * would come back and bring its neighbours, for each of the libraries. */
    ElfW(Phdr) table[HEADERS_MAX];
    const int n = info->dlpi_phnum < HEADERS_MAX ? info->dlpi_phnum : HEADERS_MAX;
    memcpy(table, info->dlpi_phdr, (size_t)n * sizeof *table);
    for (int i = 0; i < n; i++) {
        const ElfW(Phdr) *h = &table[i];
        if (h->p_type != PT_LOAD || (h->p_flags & PF_W))
            continue;
        uintptr_t from = ((uintptr_t)info->dlpi_addr + h->p_vaddr) & ~(page - 1);
        uintptr_t to = (uintptr_t)info->dlpi_addr + h->p_vaddr + h->p_memsz;
        (void)madvise((void *)from, to - from, MADV_DONTNEED);
    }
    return 0;
}

void mem_give_back(void)
{
    (void)malloc_trim(0);
    (void)dl_iterate_phdr(drop_segments, NULL);
}
