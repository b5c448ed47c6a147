/*
 * Memory: allocation that stops the program when a small allocation fails, ownership macros and
 * cleanup attributes.
 *
 * Sizes that come from outside are checked against a named maximum before they reach these.
 * Cleanup attributes free local things at the end of their scope; steal() hands one out:
 *
 *     cleanup_free char *s = xstrdup("x");
 *     *out = steal(&s);
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

void *xmalloc(size_t n) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull));
void *xrealloc(void *p, size_t n) __attribute__((returns_nonnull));
/* n * size with overflow checked. */
void *xreallocarray(void *p, size_t n, size_t size) __attribute__((returns_nonnull));
char *xstrdup(const char *s) __attribute__((malloc, returns_nonnull, nonnull));
char *xstrndup(const char *s, size_t n) __attribute__((malloc, returns_nonnull, nonnull));
void *xmemdup(const void *p, size_t n) __attribute__((malloc, returns_nonnull));
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2), returns_nonnull));

/* Overwrites before freeing; for secrets. p may be NULL. */
void free_secret(char *p);
void mem_wipe(void *p, size_t n);

/* For a process that has nothing to do for a while: free memory goes back to the system, and pages
 * of programs and libraries that were used once are no longer held. They come back by themselves.
 */
void mem_give_back(void);

/* Makes room for one more element: VEC_GROW(v->items, v->len, v->cap). */
#define VEC_GROW(ptr, len, cap)                                 \
    do {                                                        \
        if ((len) >= (cap)) {                                   \
            (cap) = (cap) ? (cap)*2 : 8;                        \
            (ptr) = xreallocarray((ptr), (cap), sizeof *(ptr)); \
        }                                                       \
    } while (0)

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#define steal(pp)                          \
    ({                                     \
        __typeof__(*(pp)) stolen_ = *(pp); \
        *(pp) = NULL;                      \
        stolen_;                           \
    })

static inline int steal_fd(int *fd)
{
    int taken = *fd;
    *fd = -1;
    return taken;
}

void cleanup_freep(void *pp);
void cleanup_free_secretp(char **pp);
void cleanup_closep(int *fd);

#define cleanup(fn) __attribute__((cleanup(fn)))
#define cleanup_free cleanup(cleanup_freep)
#define cleanup_free_secret cleanup(cleanup_free_secretp)
/* -1 is "none"; 0 is a real descriptor. */
#define cleanup_close cleanup(cleanup_closep)

#endif
