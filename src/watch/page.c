#include "watch/page.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "watch/text.h"

const char page_help[] =
    "  s  sync: your work to everybody, everybody's work to you\n"
    "  p  publish: sync, then push the session's branch to the origin\n"
    "  d  diff: what you have not synced\n"
    "  c  conflicts: places where syncs overlapped, and how to settle them\n"
    "  y  copy the join line to the clipboard of your terminal\n"
    "  Y  copy the ssh line\n"
    "  r  reconnect now\n"
    "  up, down, PgUp, PgDn, Home, End  scroll\n"
    "  q  leave; the session goes on\n"
    "\n"
    "'The same lines as others' are lines that you and somebody else have both\n"
    "changed and not synced yet. A sync keeps both; it is less work to talk first.\n";

/* --- rows --------------------------------------------------------------------------------------
 */

struct block {
    struct row *v;
    size_t len, cap;
    size_t width;
    bool utf8;
};

static void row_release(struct row *r)
{
    for (size_t i = 0; i < r->len; i++)
        free(r->v[i].text);
    free(r->v);
    *r = (struct row){0};
}

void page_release(struct page *p)
{
    for (size_t i = 0; i < p->height; i++)
        row_release(&p->rows[i]);
    free(p->rows);
    *p = (struct page){0};
}

static void block_release(struct block *b)
{
    for (size_t i = 0; i < b->len; i++)
        row_release(&b->v[i]);
    free(b->v);
    b->v = NULL;
    b->len = b->cap = 0;
}

static struct row *new_row(struct block *b)
{
    VEC_GROW(b->v, b->len, b->cap);
    b->v[b->len] = (struct row){0};
    return &b->v[b->len++];
}

static void push_span(struct row *r, enum style style, struct str *text, size_t columns)
{
    VEC_GROW(r->v, r->len, r->cap);
    r->v[r->len++] = (struct span){style, str_detach(text)};
    r->columns += columns;
}

/* At most `columns` of what is left of the row. */
static void put_cut(struct block *b, struct row *r, enum style style, const char *text,
                    size_t columns, bool from_end)
{
    struct str s = STR_INIT;
    cleanup_str struct str plain = STR_INIT;
    size_t room = b->width > r->columns ? b->width - r->columns : 0;
    str_adds(&plain, text);
    if (!b->utf8)
        text_to_ascii(&plain);
    size_t used = text_add_cut(&s, plain.p, columns < room ? columns : room, from_end, b->utf8);
    if (used == 0)
        str_release(&s);
    else
        push_span(r, style, &s, used);
}

static void put(struct block *b, struct row *r, enum style style, const char *text)
{
    put_cut(b, r, style, text, b->width, false);
}

static void pad_to(struct row *r, enum style style, size_t column)
{
    struct str s = STR_INIT;
    if (r->columns >= column)
        return;
    size_t n = column - r->columns;
    str_addf(&s, "%*s", (int)n, "");
    push_span(r, style, &s, n);
}

static void title_row(struct block *b, const char *title, size_t count)
{
    cleanup_free char *text =
        count ? xasprintf(" %s (%zu)", title, count) : xasprintf(" %s", title);
    struct row *r = new_row(b);
    put(b, r, STYLE_BOLD, text);
}

static void say(struct block *b, enum style style, const char *text)
{
    put(b, new_row(b), style, text);
}

/* --- header ------------------------------------------------------------------------------------
 */

void page_join_line(const struct board *b, struct str *out)
{
    str_adds(out, "steadystate join ");
    str_add_shell_quoted(out, b->link ? b->link : "");
}

/* "ssh://user@host:port" as a person types it. */
void page_ssh_line(const struct board *b, struct str *out)
{
    const char *url = b->ssh ? b->ssh : "";
    const char *at = str_starts_with(url, "ssh://") ? url + 6 : url;
    const char *colon = strrchr(at, ':');
    if (colon && !strchr(colon, ']'))
        str_addf(out, "ssh -p %s %.*s", colon + 1, (int)(colon - at), at);
    else
        str_addf(out, "ssh %s", at);
}

static void field(struct block *b, const char *name, const char *value)
{
    struct row *r = new_row(b);
    put(b, r, STYLE_DIM, " ");
    put(b, r, STYLE_DIM, name);
    pad_to(r, STYLE_PLAIN, b->width < PAGE_NARROW ? 8 : 9);
    put(b, r, STYLE_PLAIN, value);
}

static void header(struct block *b, const struct board *board, const struct page_view *view)
{
    cleanup_str struct str left = STR_INIT;
    cleanup_str struct str title = STR_INIT;
    cleanup_str struct str join = STR_INIT;
    cleanup_str struct str ssh = STR_INIT;
    struct row *r = new_row(b);
    str_addf(&title, " SteadyState  %s", board->repo_name ? board->repo_name : "");
    if (board->mode && *board->mode && b->width >= PAGE_NARROW)
        str_addf(&title, "  %s", board->mode);
    put(b, r, STYLE_TITLE, title.p);
    if (board->expires_at) {
        text_add_span(&left, board->expires_at - view->now);
        str_adds(&left, b->width < PAGE_NARROW ? " left " : " left until it ends ");
        size_t n = text_columns(left.p);
        if (r->columns + 2 + n <= b->width) {
            pad_to(r, STYLE_TITLE, b->width - n);
            put(b, r, STYLE_TITLE, left.p);
        }
    }
    pad_to(r, STYLE_TITLE, b->width);
    if (!board->session_id) {
        say(b, STYLE_DIM, " Connecting ...");
        return;
    }
    page_join_line(board, &join);
    page_ssh_line(board, &ssh);
    if (b->width >= PAGE_NARROW)
        field(b, "session", board->session_id);
    field(b, "repo", board->repo);
    field(b, "branch", board->branch);
    field(b, "join", join.p);
    field(b, "ssh", ssh.p);
}

/* --- sections ----------------------------------------------------------------------------------
 */

static const char *bullet(const struct block *b, bool filled)
{
    if (b->utf8)
        return filled ? "\xe2\x97\x8f " : "\xe2\x97\x8b ";
    return filled ? "* " : "- ";
}

static void person_row(struct block *b, const struct board_person *p, int64_t now)
{
    cleanup_str struct str does = STR_INIT;
    cleanup_free char *name = xasprintf("%s%s ", p->login, p->self ? " (you)" : "");
    struct row *r = new_row(b);
    put(b, r, STYLE_PLAIN, "  ");
    put(b, r, p->connected ? STYLE_GOOD : STYLE_DIM, bullet(b, p->connected));
    put_cut(b, r, p->connected ? STYLE_PLAIN : STYLE_DIM, name, b->width / 2, false);
    pad_to(r, STYLE_PLAIN, b->width < PAGE_NARROW ? 14 : 22);
    board_describe_person(p, now, &does);
    if (p->unsynced > 0)
        str_addf(&does, "  %lld unsynced", (long long)p->unsynced);
    put(b, r, p->connected ? STYLE_PLAIN : STYLE_DIM, does.p);
}

static void people(struct block *b, const struct board *board, int64_t now)
{
    size_t here = 0;
    for (size_t i = 0; i < board->n_people; i++)
        here += board->people[i].connected;
    title_row(b, "People here", here);
    for (size_t i = 0; i < board->n_people; i++)
        person_row(b, &board->people[i], now);
}

/* "path lines who": the end of a path and the lines say most. */
static void place_row(struct block *b, enum style style, const char *mark, const char *path,
                      const char *lines, const char *who)
{
    cleanup_str struct str rest = STR_INIT;
    struct row *r = new_row(b);
    if (*lines)
        str_addf(&rest, "  %s", lines);
    if (*who)
        str_addf(&rest, "  %s", who);
    put(b, r, style, mark);
    size_t room = b->width > r->columns ? b->width - r->columns : 0;
    size_t least = room / 2, n = text_columns(rest.p);
    put_cut(b, r, STYLE_PLAIN, path, n < room - least ? room - n : least, true);
    put(b, r, style, rest.p);
}

static void radar(struct block *b, const struct board *board)
{
    if (board->n_places == 0)
        return;
    title_row(b, "The same lines as others, not synced", board->n_places);
    for (size_t i = 0; i < board->n_places; i++)
        place_row(b, STYLE_WARN, "  ! ", board->places[i].path,
                  *board->places[i].lines ? board->places[i].lines : "whole file",
                  board->places[i].who);
}

static void unsynced(struct block *b, const struct board *board)
{
    title_row(b, "Your changes, not synced", board->n_files);
    if (board->n_files == 0)
        say(b, STYLE_DIM, board->ready ? "  none" : "  ...");
    for (size_t i = 0; i < board->n_files; i++) {
        const struct board_file *f = &board->files[i];
        const char mark[] = {' ', ' ', f->change, ' ', '\0'};
        place_row(b, STYLE_ACCENT, mark, f->path, f->change == 'D' ? "" : f->lines, "");
    }
    if (board->more_files)
        say(b, STYLE_DIM, "  and more");
}

static void activity(struct block *b, const struct board *board, const struct page_view *view)
{
    static const enum style styles[] = {
        [BOARD_CALM] = STYLE_PLAIN, [BOARD_GOOD] = STYLE_GOOD, [BOARD_WARN] = STYLE_WARN};
    title_row(b, "Activity", 0);
    for (size_t i = board->n_entries; i-- > 0;) {
        const struct board_entry *e = &board->entries[i];
        cleanup_str struct str when = STR_INIT;
        struct row *r = new_row(b);
        text_add_ago(&when, e->at, view->now);
        put(b, r, STYLE_PLAIN, "  ");
        put(b, r, STYLE_DIM, when.p);
        pad_to(r, STYLE_PLAIN, 10);
        put(b, r, STYLE_BOLD, e->who);
        put(b, r, STYLE_PLAIN, " ");
        put(b, r, styles[e->tone], e->text);
    }
    if (board->n_entries == 0)
        say(b, STYLE_DIM, "  none");
}

/* --- putting it together -----------------------------------------------------------------------
 */

/* As every command has them in front of its lines (cli/ui.h). */
static const char *mark_of(const struct page_view *view)
{
    switch (view->notice_style) {
    case STYLE_GOOD:
        return view->utf8 ? "\xe2\x9c\x93 " : "";
    case STYLE_BAD:
        return view->utf8 ? "\xe2\x9c\x97 " : "";
    case STYLE_WARN:
        return "! ";
    default:
        return "";
    }
}

static void footer(struct block *b, const struct page_view *view, bool can_scroll)
{
    static const char *const keys[][2] = {{"s", "sync"},      {"p", "publish"}, {"d", "diff"},
                                          {"c", "conflicts"}, {"y", "copy"},    {"?", "help"},
                                          {"q", "leave"}};
    struct row *notice = new_row(b);
    struct row *r;
    if (view->notice) {
        cleanup_str struct str clean = STR_INIT;
        str_addc(&clean, ' ');
        str_adds(&clean, mark_of(view));
        text_add_clean(&clean, view->notice, strlen(view->notice));
        put(b, notice, view->notice_style, clean.p);
    }
    r = new_row(b);
    if (view->text) {
        put(b, r, STYLE_DIM, can_scroll ? " q back  up, down, PgUp, PgDn scroll" : " q back");
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        size_t n = strlen(keys[i][1]) + 4;
        if (b->width < PAGE_NARROW)
            n = 2;
        if (r->columns + n > b->width)
            break;
        put(b, r, STYLE_PLAIN, " ");
        put(b, r, STYLE_BOLD, keys[i][0]);
        if (b->width < PAGE_NARROW)
            continue;
        put(b, r, STYLE_PLAIN, " ");
        put(b, r, STYLE_DIM, keys[i][1]);
        put(b, r, STYLE_PLAIN, " ");
    }
}

static void give_row(struct page *out, struct row *r)
{
    out->rows[out->height++] = *r;
    *r = (struct row){0};
}

/* Rows of one block from `scroll` on, filled up with empty ones. */
static void give_body(struct page *out, struct block *b, size_t rows)
{
    for (size_t i = 0; i < rows; i++) {
        size_t at = (size_t)out->scroll + i;
        struct row none = {0};
        give_row(out, at < b->len ? &b->v[at] : &none);
    }
}

/* Two columns; both scroll, each as far as it goes. */
static void give_columns(struct page *out, struct block *left, struct block *right, size_t rows)
{
    const char *line = left->utf8 ? "\xe2\x94\x82" : "|";
    size_t left_max = left->len > rows ? left->len - rows : 0;
    size_t left_at = (size_t)out->scroll < left_max ? (size_t)out->scroll : left_max;
    size_t right_max = right->len > rows ? right->len - rows : 0;
    size_t right_at = (size_t)out->scroll < right_max ? (size_t)out->scroll : right_max;
    for (size_t i = 0; i < rows; i++) {
        struct row row = {0};
        struct str s = STR_INIT;
        if (left_at + i < left->len) {
            row = left->v[left_at + i];
            left->v[left_at + i] = (struct row){0};
        }
        pad_to(&row, STYLE_PLAIN, left->width);
        str_adds(&s, line);
        push_span(&row, STYLE_DIM, &s, 1);
        if (right_at + i < right->len) {
            struct row *r = &right->v[right_at + i];
            for (size_t k = 0; k < r->len; k++) {
                VEC_GROW(row.v, row.len, row.cap);
                row.v[row.len++] = (struct span){r->v[k].style, steal(&r->v[k].text)};
            }
            row.columns += r->columns;
        }
        give_row(out, &row);
    }
}

static void text_body(struct block *b, const struct page_text *t)
{
    for (const char *p = t->text; *p;) {
        size_t n = strcspn(p, "\n");
        cleanup_str struct str line = STR_INIT;
        for (size_t i = 0; i < n; i++) {
            if (p[i] == '\t')
                str_addf(&line, "%*s", (int)(8 - line.len % 8), "");
            else
                str_add(&line, p + i, 1);
        }
        cleanup_str struct str clean = STR_INIT;
        text_add_clean(&clean, line.p, line.len);
        enum style style = clean.p[0] == '+'   ? STYLE_GOOD
                           : clean.p[0] == '-' ? STYLE_BAD
                           : clean.p[0] == '@' ? STYLE_ACCENT
                                               : STYLE_PLAIN;
        say(b, style, clean.p);
        p += n + (p[n] == '\n');
    }
}

static void set_scroll(struct page *out, const struct page_view *view, size_t have, size_t rows)
{
    out->scroll_max = have > rows ? (int)(have - rows) : 0;
    out->scroll = view->scroll < 0                 ? 0
                  : view->scroll > out->scroll_max ? out->scroll_max
                                                   : view->scroll;
}

static void board_body(struct page *out, const struct board *board, const struct page_view *view,
                       struct block *top, size_t rows)
{
    bool wide = top->width >= PAGE_WIDE;
    size_t half = wide ? top->width / 2 - 1 : top->width;
    struct block left = {.width = half, .utf8 = top->utf8};
    struct block right = {.width = top->width - half - 1, .utf8 = top->utf8};
    if (board->session_id) {
        people(&left, board, view->now);
        new_row(&left);
        radar(&left, board);
        if (board->n_places)
            new_row(&left);
        unsynced(&left, board);
        if (!wide)
            new_row(&left);
        activity(wide ? &right : &left, board, view);
    }
    set_scroll(out, view, left.len > right.len ? left.len : right.len, rows);
    if (wide)
        give_columns(out, &left, &right, rows);
    else
        give_body(out, &left, rows);
    block_release(&left);
    block_release(&right);
}

void page_make(const struct board *b, const struct page_view *view, struct page *out)
{
    size_t width = view->width < PAGE_MIN_WIDTH ? PAGE_MIN_WIDTH : (size_t)view->width;
    size_t height = view->height < PAGE_MIN_HEIGHT ? PAGE_MIN_HEIGHT : (size_t)view->height;
    struct block top = {.width = width, .utf8 = view->utf8};
    struct block bottom = {.width = width, .utf8 = view->utf8};
    *out = (struct page){.rows = xcalloc(height, sizeof(struct row))};
    if (view->text) {
        struct row *r = new_row(&top);
        cleanup_free char *title = xasprintf(" %s", view->text->title);
        put(&top, r, STYLE_TITLE, title);
        pad_to(r, STYLE_TITLE, width);
    } else {
        header(&top, b, view);
    }
    if (height >= 12)
        new_row(&top);
    /* A low terminal keeps the title, the keys and something to read. */
    size_t head = top.len;
    while (head > 1 && head + 2 + 3 > height)
        head--;
    size_t rows = height - head - 2;
    for (size_t i = 0; i < head; i++)
        give_row(out, &top.v[i]);
    if (view->text) {
        struct block body = {.width = width, .utf8 = view->utf8};
        text_body(&body, view->text);
        set_scroll(out, view, body.len, rows);
        give_body(out, &body, rows);
        block_release(&body);
    } else {
        board_body(out, b, view, &top, rows);
    }
    footer(&bottom, view, out->scroll_max > 0);
    for (size_t i = 0; i < bottom.len; i++)
        give_row(out, &bottom.v[i]);
    block_release(&top);
    block_release(&bottom);
}

void page_row_text(const struct page *p, size_t row, struct str *out)
{
    for (size_t i = 0; i < p->rows[row].len; i++)
        str_adds(out, p->rows[row].v[i].text);
}
