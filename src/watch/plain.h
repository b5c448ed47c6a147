/* The board as lines that a screen reader speaks, and what changes as one line each. Pure. */
#ifndef WATCH_PLAIN_H
#define WATCH_PLAIN_H

#include "watch/board.h"

/* The whole board in words. */
void plain_summary(const struct board *b, int64_t now, struct str *out);

/* What was said last. */
struct plain {
    size_t entries; /* of board.n_ever */
    int64_t expires_at;
    struct str places;
    struct str doing;
};
#define PLAIN_INIT               \
    {                            \
        0, 0, STR_INIT, STR_INIT \
    }
void plain_release(struct plain *p);

/* Lines for what is new since the last call; appends nothing when nothing is. With `silent` it is
 * only taken note of. */
void plain_news(struct plain *p, const struct board *b, bool silent, struct str *out);

/* The board as one JSON object; owned by the caller. */
struct json_object *plain_json(const struct board *b);

#endif
