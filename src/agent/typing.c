#include "agent/typing.h"

#include <string.h>

enum { PASTE_BEGINS = 200, PASTE_ENDS = 201, NUMBER_MAX = 1000 };

enum { GROUND, ESCAPE, CSI, SS3, STRING, STRING_ESCAPE, PREFIX };

#define ESC 0x1b
#define BEL 0x07

static void key(struct typing_seen *seen, unsigned char c)
{
    seen->typed = true;
    seen->enter |= c == '\r' || c == '\n';
}

static void after_prefix(struct typing *t, unsigned char c, struct typing_seen *seen)
{
    t->state = c == ESC ? ESCAPE : GROUND;
    seen->detach |= c == 'd';
    seen->yes |= c == 'y';
}

static void after_escape(struct typing *t, unsigned char c, struct typing_seen *seen)
{
    t->state = GROUND;
    if (c == '[') {
        t->state = CSI;
        t->is_first = true;
        t->is_private = false;
        t->number = 0;
    } else if (c == 'O') {
        t->state = SS3;
    } else if (c && strchr("]P_^X", c)) {
        t->state = STRING;
    } else {
        key(seen, c);
        t->state = c == ESC ? ESCAPE : GROUND;
    }
}

/* Finals of what terminals say by themselves; keys end in a letter too, or in "~" or "u". */
static bool is_report(const struct typing *t, unsigned char final)
{
    return t->is_private || (final && strchr("cRntyIOMm", final));
}

static void in_csi(struct typing *t, unsigned char c, struct typing_seen *seen)
{
    if (t->is_first && c >= '<' && c <= '?')
        t->is_private = true;
    t->is_first = false;
    if (c >= '0' && c <= '9' && t->number < NUMBER_MAX)
        t->number = t->number * 10 + (c - '0');
    if (c < 0x40 || c > 0x7e) {
        if (c < 0x20)
            t->state = c == ESC ? ESCAPE : GROUND;
        return;
    }
    t->state = GROUND;
    if (c == '~' && !t->is_private && (t->number == PASTE_BEGINS || t->number == PASTE_ENDS))
        t->pasting = t->number == PASTE_BEGINS;
    if (!is_report(t, c))
        seen->typed = true;
    else if (c == 'M' && !t->is_private)
        t->skip = 3;
}

static void in_string(struct typing *t, unsigned char c)
{
    if (t->state == STRING_ESCAPE)
        t->state = c == '\\' ? GROUND : STRING;
    else if (c == ESC)
        t->state = STRING_ESCAPE;
    else if (c == BEL)
        t->state = GROUND;
}

struct typing_seen typing_scan(struct typing *t, const void *bytes, size_t n)
{
    struct typing_seen seen = {0};
    const unsigned char *p = bytes;
    for (size_t i = 0; i < n; i++) {
        if (t->skip > 0) {
            t->skip--;
            continue;
        }
        switch (t->state) {
        case ESCAPE:
            after_escape(t, p[i], &seen);
            break;
        case CSI:
            in_csi(t, p[i], &seen);
            break;
        case SS3:
            t->state = GROUND;
            seen.typed = true;
            break;
        case STRING:
        case STRING_ESCAPE:
            in_string(t, p[i]);
            break;
        case PREFIX:
            after_prefix(t, p[i], &seen);
            break;
        default:
            if (p[i] == ESC)
                t->state = ESCAPE;
            else if (p[i] == TYPING_PREFIX && !t->pasting)
                t->state = PREFIX;
            else
                key(&seen, p[i]);
        }
    }
    return seen;
}
