#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "command.h"
#include "inside.h"
#include "opt.h"
#include "sync/credit.h"
#include "ui.h"

#define NAME_WIDTH 16
#define NOT_SYNCED "not synced"

static void print_line(const struct credit_line *l, size_t number)
{
    char date[32] = "";
    cleanup_str struct str who = STR_INIT;
    time_t when = (time_t)l->time;
    struct tm tm;
    if (l->synced && localtime_r(&when, &tm))
        strftime(date, sizeof date, "%Y-%m-%d %H:%M", &tm);
    if (l->synced)
        str_add_printable(&who, l->author, strlen(l->author));
    else
        str_adds(&who, NOT_SYNCED);
    printf("%s%-*.32s %16s %5zu%s  %.*s\n", ui_style(1, l->synced ? UI_CYAN : UI_YELLOW),
           NAME_WIDTH, who.p, date, number, ui_style(1, UI_PLAIN),
           l->len > INT_MAX ? INT_MAX : (int)l->len, l->text);
}

static struct json_object *line_json(const struct credit_line *l, size_t number)
{
    struct json_object *o = json_object_new_object();
    cleanup_str struct str text = STR_INIT;
    if (str_is_utf8(l->text, l->len))
        str_add(&text, l->text, l->len);
    else
        str_add_printable(&text, l->text, l->len);
    json_add_i64(o, "line", (int64_t)number);
    json_add_bool(o, "synced", l->synced);
    if (l->synced) {
        cleanup_str struct str author = STR_INIT;
        str_add_printable(&author, l->author, strlen(l->author));
        json_add_str(o, "author", author.p);
        inside_add_oid(o, "commit", &l->commit);
        json_add_i64(o, "time", l->time);
    }
    json_add_str(o, "text", text.p);
    return o;
}

/* --- how many lines of each person -------------------------------------------------------------
 */

struct share {
    const char *author; /* NULL: not synced */
    size_t lines;
};

static int by_lines(const void *a, const void *b)
{
    const struct share *x = a;
    const struct share *y = b;
    if (x->lines != y->lines)
        return x->lines < y->lines ? 1 : -1;
    return strcmp(x->author ? x->author : "", y->author ? y->author : "");
}

static struct share *count_shares(const struct credit *c, size_t *n)
{
    struct share *shares = NULL;
    size_t len = 0, cap = 0;
    for (size_t i = 0; i < c->len; i++) {
        const char *author = c->v[i].author;
        size_t k = 0;
        while (k < len && !(shares[k].author == author ||
                            (author && shares[k].author && strcmp(author, shares[k].author) == 0)))
            k++;
        if (k == len) {
            VEC_GROW(shares, len, cap);
            shares[len++] = (struct share){author, 0};
        }
        shares[k].lines++;
    }
    if (len)
        qsort(shares, len, sizeof *shares, by_lines);
    *n = len;
    return shares;
}

static int print_shares(const struct credit *c, bool json)
{
    size_t n = 0;
    cleanup_free struct share *shares = count_shares(c, &n);
    cleanup_json struct json_object *list = json_object_new_array();
    for (size_t i = 0; i < n; i++) {
        cleanup_str struct str who = STR_INIT;
        const char *name = shares[i].author ? shares[i].author : NOT_SYNCED;
        str_add_printable(&who, name, strlen(name));
        if (!json) {
            printf("%-*.32s %7zu  %3zu%%\n", NAME_WIDTH, who.p, shares[i].lines,
                   shares[i].lines * 100 / c->len);
            continue;
        }
        struct json_object *o = json_object_new_object();
        json_add_bool(o, "synced", shares[i].author != NULL);
        json_add_str(o, "author", shares[i].author ? who.p : NULL);
        json_add_i64(o, "lines", (int64_t)shares[i].lines);
        json_object_array_add(list, o);
    }
    if (json)
        ui_print_json(list);
    return ui_finish(EXIT_DONE);
}

int cmd_credit(int argc, char **argv)
{
    bool json = false, stat = false;
    const struct opt opts[] = {
        {0, "stat", OPT_FLAG, NULL, "how many lines of each person", .flag = &stat},
        {0, "json", OPT_FLAG, NULL, "print it as JSON", .flag = &json},
        {0}};
    static const struct command_help help = {
        .name = "credit",
        .synopsis = "[--stat] [--json] <file>",
        .summary = "Who wrote each line of a file.",
        .text =
            "Lines that came with a sync are credited to the person who sent it; older ones to\n"
            "their author. What you have not synced yet is \"not synced\".",
        .example = "steadystate credit src/main.c\nsteadystate credit --stat src/main.c"};
    cleanup_sync_place struct sync_place place = {0};
    cleanup_credit struct credit credit = {0};
    struct err err = ERR_INIT;
    int first;
    const struct inside_start start = {opts, &help, "show the credit", 1, 1};
    int code = inside_begin(argc, argv, &start, &first, &place);
    if (code >= 0)
        return code;
    cleanup_free char *file = inside_path(&place, argv[first], &err);
    if (!file || sync_credit(&place, file, &credit, &err) < 0)
        return inside_fail("cannot show the credit", &err);
    if (stat)
        return print_shares(&credit, json);
    if (!json)
        ui_page();
    cleanup_json struct json_object *list = json_object_new_array();
    for (size_t i = 0; i < credit.len; i++) {
        if (json)
            json_object_array_add(list, line_json(&credit.v[i], i + 1));
        else
            print_line(&credit.v[i], i + 1);
    }
    if (json)
        ui_print_json(list);
    return ui_finish(EXIT_DONE);
}
