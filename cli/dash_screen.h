/* The terminal of a dashboard: the only user of ncurses. */
#ifndef CLI_DASH_SCREEN_H
#define CLI_DASH_SCREEN_H

#include "base/err.h"
#include "watch/page.h"

/* Takes the terminal over. ERR_UNSUPPORTED: it is none that can be drawn on. */
int screen_open(struct err *err);
/* Gives it back as it was. */
void screen_close(void);

void screen_size(int *width, int *height);
/* Asks the terminal how large it is by now. */
void screen_resized(void);
/* Draws what differs from what is there. */
void screen_draw(const struct page *page);
/* Everything anew. */
void screen_redraw(void);

enum screen_key {
    KEY_OF_NOTHING = 0, /* no further key waits; characters are themselves */
    KEY_OF_UP = 0x10000,
    KEY_OF_DOWN,
    KEY_OF_PAGE_UP,
    KEY_OF_PAGE_DOWN,
    KEY_OF_TOP,
    KEY_OF_END,
    KEY_OF_OTHER,
};
int screen_key(void);

/* Asks the terminal to put text into its clipboard (OSC 52). */
void screen_copy(const char *text);

#endif
