/* A screen as rows of styled text, made from the board; drawing it is somebody else's. Pure. */
#ifndef WATCH_PAGE_H
#define WATCH_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "watch/board.h"

#define PAGE_WIDE 110  /* from here on two columns */
#define PAGE_NARROW 60 /* below it short forms */
#define PAGE_MIN_WIDTH 20
#define PAGE_MIN_HEIGHT 6

enum style {
    STYLE_PLAIN,
    STYLE_BOLD,
    STYLE_DIM,
    STYLE_TITLE, /* reversed */
    STYLE_GOOD,
    STYLE_WARN,
    STYLE_BAD,
    STYLE_ACCENT,
};

struct span {
    enum style style;
    char *text;
};

struct row {
    struct span *v;
    size_t len, cap;
    size_t columns;
};

struct page {
    struct row *rows; /* height of them, none wider than width */
    size_t height;
    int scroll;     /* what was possible of the wanted one */
    int scroll_max; /* rows that do not fit */
};
void page_release(struct page *p);
#define cleanup_page cleanup(page_release)

/* What lies over the board: the help, or what a command printed. */
struct page_text {
    const char *title;
    const char *text; /* lines, cleaned here */
};

struct page_view {
    int width, height;
    bool utf8;
    int64_t now;
    int scroll;         /* rows from the top */
    const char *notice; /* one line above the keys, or NULL */
    enum style notice_style;
    const struct page_text *text; /* NULL: the board */
};

void page_make(const struct board *b, const struct page_view *view, struct page *out);

/* One row as plain text, for tests and pictures. */
void page_row_text(const struct page *p, size_t row, struct str *out);

/* The lines to copy: how to join, how to come in by ssh. */
void page_join_line(const struct board *b, struct str *out);
void page_ssh_line(const struct board *b, struct str *out);

extern const char page_help[];

#endif
