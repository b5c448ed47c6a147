/* A bracketed paste that is broken off, because its person leaves or may not type any more. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/terminal_internal.h"
#include "base/mem.h"

#define LEAVE_MS 1000 /* for tmux to read it */

static const char paste_end[] = "\033[201~";

struct leaving {
    struct leaving *next;
    struct terminal *terminal;
    int master;
    struct loop_watch *writable;
    struct loop_watch *over;
};

void terminal_end_paste(struct terminal_client *c)
{
    if (!c->paste_open || c->over)
        return;
    c->paste_open = false;
    str_adds(&c->input, paste_end);
    terminal_write(c);
}

static void release(struct leaving *l)
{
    loop_remove(l->writable);
    loop_remove(l->over);
    close(l->master);
    free(l);
}

static void on_over(void *payload)
{
    struct leaving *l = payload;
    for (struct leaving **at = &l->terminal->leaving; *at; at = &(*at)->next) {
        if (*at == l) {
            *at = l->next;
            break;
        }
    }
    l->over = NULL;
    release(l);
}

static void on_writable(int fd, uint32_t events, void *payload)
{
    struct leaving *l = payload;
    (void)events;
    (void)!write(fd, paste_end, sizeof paste_end - 1);
    loop_remove(steal(&l->writable));
}

void terminal_leave_paste(struct terminal *t, int master)
{
    struct leaving *l = xcalloc(1, sizeof *l);
    *l = (struct leaving){.next = t->leaving, .terminal = t, .master = master};
    l->writable = loop_add_fd(t->agent->loop, master, EPOLLOUT, on_writable, l);
    l->over = loop_add_timer(t->agent->loop, LEAVE_MS, false, on_over, l);
    t->leaving = l;
}

void terminal_free_leaving(struct terminal *t)
{
    for (struct leaving *l = t->leaving, *next; l; l = next) {
        next = l->next;
        release(l);
    }
    t->leaving = NULL;
}
