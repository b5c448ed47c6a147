/*
 * The engines' format of a container's output on an attached connection: 1 byte stream (1 stdout,
 * 2 stderr, 0 stdin echoed as stdout), 3 zero bytes, 4 bytes big-endian length, data. Pure.
 */
#ifndef ENGINE_MUX_H
#define ENGINE_MUX_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define ENGINE_MUX_FRAME_MAX (16UL * 1024 * 1024)

enum engine_stream { ENGINE_STDOUT = 1, ENGINE_STDERR = 2 };

/* Zero-initialise. */
struct engine_mux {
    unsigned char header[8];
    size_t have; /* bytes of the header */
    uint32_t left;
    enum engine_stream stream;
};

/* A piece of data; a negative code stops and is returned by feed. */
typedef int (*engine_mux_fn)(enum engine_stream stream, const char *p, size_t n, void *payload,
                             struct err *err);

/* Takes any piece of the stream, split anywhere. ERR_INVALID: not this format; the state is not
 * usable after an error. */
int engine_mux_feed(struct engine_mux *mux, const char *p, size_t n, engine_mux_fn fn,
                    void *payload, struct err *err);

#endif
