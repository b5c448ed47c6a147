/*
 * Framed messages, one format for the keeper's socketpair, a session's control channel and
 * agent.sock (docs/protocols.md):
 *
 *     u32 big-endian length of what follows (5 .. FRAME_MAX)
 *     u8  kind: 'J' a JSON object, 'D' a piece of data, 'E' end of data
 *     u32 big-endian id: which request it belongs to, 0 for events
 *     payload
 *
 * frame_decode is pure; struct frame_buf collects bytes from a non-blocking descriptor.
 */
#ifndef BASE_FRAME_H
#define BASE_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"
#include "base/str.h"

#define FRAME_MAX (1024 * 1024)    /* length field */
#define FRAME_DATA_MAX (64 * 1024) /* payload of a 'D' frame as we send it */
#define FRAME_HEADER 9

struct frame {
    char kind;
    uint32_t id;
    const char *payload; /* borrowed from the buffer */
    size_t len;
};

/* Looks at buf[0..len): returns the number of bytes the first frame takes, 0 when more bytes are
 * needed, a negative code for a malformed one. */
long frame_decode(const char *buf, size_t len, struct frame *out, struct err *err);

void frame_encode(struct str *out, char kind, uint32_t id, const void *payload, size_t len);
void frame_encode_json(struct str *out, uint32_t id, struct json_object *obj);

/* Blocking helpers for simple peers. frame_read: *payload is owned by the caller (NUL-terminated
 * behind len). End of stream before a frame is ERR_UNAVAILABLE. */
int frame_read(int fd, char *kind, uint32_t *id, struct str *payload, struct err *err);
int frame_write(int fd, char kind, uint32_t id, const void *payload, size_t len, struct err *err);
int frame_write_json(int fd, uint32_t id, struct json_object *obj, struct err *err);
/* Reads one 'J' frame and parses it. */
int frame_read_json(int fd, uint32_t *id, struct json_object **out, struct err *err);

/* Standard answers: {"ok":false,"error":<err_word>,"detail":<msg>} and back. frame_reply_check
 * gives 0 for {"ok":true,...} and otherwise the code of the word with the detail as message. */
struct json_object *frame_error_reply(const struct err *err);
int frame_reply_check(struct json_object *reply, struct err *err);

#endif
