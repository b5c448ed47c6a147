/*
 * What a person does at a shared terminal, by the bytes that come from their own: did somebody
 * type, or did the terminal only answer a question (ECMA-48 control sequences: device attributes,
 * cursor and window reports, focus, mouse, strings). Pure; state is kept over pieces.
 */
#ifndef AGENT_TYPING_H
#define AGENT_TYPING_H

#include <stdbool.h>
#include <stddef.h>

#define TYPING_PREFIX 0x02 /* Ctrl-b: what follows is for tmux or us, not typed */

struct typing {
    int state;       /* 0 at the beginning */
    int skip;        /* bytes of an old-style mouse report */
    bool is_private; /* the sequence begins with one of < = > ? */
    bool is_first;
    int number;   /* of the sequence so far */
    bool pasting; /* between the marks of a bracketed paste */
};

struct typing_seen {
    bool typed;  /* a key of the keyboard, or a paste */
    bool enter;  /* the return key among them */
    bool detach; /* prefix d */
    bool yes;    /* prefix y */
};

struct typing_seen typing_scan(struct typing *t, const void *bytes, size_t n);

#endif
