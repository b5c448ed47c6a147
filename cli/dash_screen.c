#include "dash_screen.h"

#include <curses.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <term.h>
#include <unistd.h>

#include "base/enc.h"
#include "base/mem.h"
#include "ui.h"

/* curses.h: every style a pair; 0 is the terminal's own. */
enum { PAIR_GOOD = 1, PAIR_WARN, PAIR_BAD, PAIR_ACCENT };

static bool term_is_known(void)
{
    int why;
    return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && getenv("TERM") &&
           setupterm(NULL, STDOUT_FILENO, &why) == OK && cursor_address;
}

int screen_open(struct err *err)
{
    if (!term_is_known())
        return err_set(err, ERR_UNSUPPORTED, "this terminal cannot be drawn on");
    SCREEN *screen = newterm(NULL, stdout, stdin);
    if (!screen)
        return err_set(err, ERR_UNSUPPORTED, "this terminal cannot be drawn on");
    set_term(screen);
    set_escdelay(50);
    (void)raw();
    (void)noecho();
    (void)nonl();
    (void)keypad(stdscr, TRUE);
    (void)nodelay(stdscr, TRUE);
    (void)curs_set(0);
    if (ui_colour(STDOUT_FILENO) && has_colors() && start_color() == OK) {
        short background = use_default_colors() == OK ? -1 : COLOR_BLACK;
        (void)init_pair(PAIR_GOOD, COLOR_GREEN, background);
        (void)init_pair(PAIR_WARN, COLOR_YELLOW, background);
        (void)init_pair(PAIR_BAD, COLOR_RED, background);
        (void)init_pair(PAIR_ACCENT, COLOR_CYAN, background);
    }
    return 0;
}

void screen_close(void)
{
    (void)endwin();
}

void screen_size(int *width, int *height)
{
    getmaxyx(stdscr, *height, *width);
}

void screen_resized(void)
{
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row && size.ws_col)
        (void)resizeterm(size.ws_row, size.ws_col);
}

static attr_t attributes(enum style style)
{
    static const struct {
        attr_t plain;
        int pair;
    } styles[] = {
        [STYLE_PLAIN] = {A_NORMAL, 0},
        [STYLE_BOLD] = {A_BOLD, 0},
        [STYLE_DIM] = {A_DIM, 0},
        [STYLE_TITLE] = {A_REVERSE, 0},
        [STYLE_GOOD] = {A_NORMAL, PAIR_GOOD},
        [STYLE_WARN] = {A_BOLD, PAIR_WARN},
        [STYLE_BAD] = {A_BOLD, PAIR_BAD},
        [STYLE_ACCENT] = {A_NORMAL, PAIR_ACCENT},
    };
    bool colours = has_colors() && COLOR_PAIRS > PAIR_ACCENT && ui_colour(STDOUT_FILENO);
    return styles[style].plain | (colours ? (attr_t)COLOR_PAIR(styles[style].pair) : A_NORMAL);
}

void screen_draw(const struct page *page)
{
    (void)erase();
    for (size_t y = 0; y < page->height; y++) {
        (void)move((int)y, 0);
        for (size_t i = 0; i < page->rows[y].len; i++) {
            (void)attrset(attributes(page->rows[y].v[i].style));
            (void)addstr(page->rows[y].v[i].text);
        }
    }
    (void)attrset(A_NORMAL);
    (void)refresh();
}

void screen_redraw(void)
{
    (void)clearok(curscr, TRUE);
}

int screen_key(void)
{
    int c = getch();
    switch (c) {
    case ERR:
        return KEY_OF_NOTHING;
    case KEY_UP:
        return KEY_OF_UP;
    case KEY_DOWN:
        return KEY_OF_DOWN;
    case KEY_PPAGE:
        return KEY_OF_PAGE_UP;
    case KEY_NPAGE:
        return KEY_OF_PAGE_DOWN;
    case KEY_HOME:
        return KEY_OF_TOP;
    case KEY_END:
        return KEY_OF_END;
    default:
        return c > 0 && c < 128 ? c : KEY_OF_OTHER;
    }
}

void screen_copy(const char *text)
{
    cleanup_str struct str base64 = STR_INIT;
    enc_base64(&base64, text, strlen(text));
    printf("\033]52;c;%s\a", base64.p);
    fflush(stdout);
}
