/* The merge engine on three files, with the arguments of `git merge-file`, so that it can be a
 * merge driver too. Follows git's exit status instead of the CLI's own: the number of overlaps, at
 * most 127, or 255. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/num.h"
#include "command.h"
#include "merge/text.h"
#include "opt.h"
#include "ui.h"

#define EXIT_OVERLAPS_MAX 127
#define EXIT_ERROR 255
/* git looks for a NUL in so many bytes to tell what is not text. */
#define BINARY_SCAN 8000

enum { LOCAL, BASE, CANONICAL, FILES };

struct merge_file {
    const char *path[FILES];
    const char *label[FILES];
    bool to_stdout, quiet, json;
    bool ours, theirs, both; /* for overlaps: local, canonical, both without a report */
    const char *updates_dir;
    struct str text[FILES];
};

static const struct command_help help = {
    .name = "merge-file",
    .synopsis = "[options] <local> <base> <canonical>",
    .summary = "Merges two versions of a file that were made from <base>.",
    .text =
        "The result replaces <local>, or goes to standard output with -p. Both sides' edits are\n"
        "always kept; places where they overlap are reported. The exit status is the number\n"
        "of overlaps (at most 127), 255 on error. With --ours, --theirs or --union the overlaps\n"
        "are settled so and count no more. No conflict markers are ever written: what git's\n"
        "options say about them is accepted and changes nothing.\n\n"
        "As a merge driver:  git config merge.steadystate.driver \\\n"
        "                        'steadystate merge-file -L %P %A %O %B'\n"
        "                    and '* merge=steadystate' in .gitattributes.",
    .example = "steadystate merge-file -p mine.txt base.txt theirs.txt",
};

static int fail(const struct err *err)
{
    ui_fail(EXIT_ERROR, "merge-file", err->msg, NULL);
    return EXIT_ERROR;
}

static int read_version(const char *path, struct str *out, struct err *err)
{
    cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, "open %s", path);
    int rc = fd_read_all(fd, MERGE_TEXT_MAX, out, err);
    if (rc < 0)
        return err_wrap(err, "%s", path);
    size_t scan = out->len < BINARY_SCAN ? out->len : BINARY_SCAN;
    if (memchr(out->p, '\0', scan))
        return err_set(err, ERR_INVALID, "%s is not a text file", path);
    return 0;
}

/* Through a symbolic link to what it names, with the mode that was there. */
static int write_result(const char *path, const struct str *text, struct err *err)
{
    struct stat st;
    cleanup_free char *real = realpath(path, NULL);
    if (!real || stat(real, &st) < 0)
        return err_errno(err, "find %s", path);
    return fd_write_file(AT_FDCWD, real, text->p, text->len, st.st_mode & 07777, err);
}

static struct merge_slice slice(const struct str *s)
{
    return (struct merge_slice){s->p, s->len};
}

static int emit_updates(const struct merge_file *m, struct err *err)
{
    struct merge_updates u = MERGE_UPDATES_INIT;
    int rc = merge_text_updates(slice(&m->text[BASE]), slice(&m->text[LOCAL]),
                                slice(&m->text[CANONICAL]), &u, err);
    if (rc == 0 && mkdir(m->updates_dir, 0777) < 0 && errno != EEXIST)
        rc = err_errno(err, "make directory %s", m->updates_dir);
    cleanup_close int dir = rc == 0 ? open(m->updates_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (rc == 0 && dir < 0)
        rc = err_errno(err, "open %s", m->updates_dir);
    const struct {
        const char *name;
        const struct str *update;
    } files[] = {
        {"base.update", &u.base}, {"local.update", &u.local}, {"canonical.update", &u.canonical}};
    for (size_t i = 0; i < ARRAY_LEN(files) && rc == 0; i++)
        rc = fd_write_file(dir, files[i].name, files[i].update->p, files[i].update->len, 0644, err);
    merge_updates_release(&u);
    return rc;
}

/* Where `line` (from 1) begins. */
static size_t line_offset(const struct str *text, size_t line)
{
    size_t at = 0;
    while (--line && at < text->len) {
        const char *end = memchr(text->p + at, '\n', text->len - at);
        at = end ? (size_t)(end - text->p) + 1 : text->len;
    }
    return at;
}

/* Puts one side's lines where the overlap is; returns how many lines that is. */
static size_t settle(struct str *text, const struct merge_overlap *o, const struct str *side)
{
    size_t begin = line_offset(text, o->line), end = line_offset(text, o->line + o->lines);
    struct str out = STR_INIT;
    str_add(&out, text->p, begin);
    str_add(&out, side->p, side->len);
    if (side->len && side->p[side->len - 1] != '\n' && end < text->len)
        str_addc(&out, '\n');
    size_t lines = 0;
    for (size_t i = begin; i < out.len; i++)
        lines += out.p[i] == '\n' || i + 1 == out.len;
    str_add(&out, text->p + end, text->len - end);
    str_release(text);
    *text = out;
    return lines;
}

/* A side that the report cut stays as it is, and counts. */
static void settle_all(const struct merge_file *m, struct merge_text_result *r)
{
    struct merge_report left = MERGE_REPORT_INIT;
    size_t plus = 0, minus = 0; /* lines in front of the overlap, by now */
    for (size_t i = 0; i < r->report.len; i++) {
        struct merge_overlap *o = &r->report.v[i];
        const struct str *side = m->ours ? &o->local : &o->canonical;
        o->line = o->line + plus - minus;
        if (m->both)
            continue;
        if (side->len < MERGE_REPORT_TEXT_MAX) {
            minus += o->lines;
            plus += settle(&r->text, o, side);
            continue;
        }
        *merge_report_add(&left, o->kind, o->by) = *o;
        *o = (struct merge_overlap){.base = STR_INIT, .local = STR_INIT, .canonical = STR_INIT};
    }
    merge_report_release(&r->report);
    r->report = left;
}

static struct json_object *overlap_json(const struct merge_overlap *o)
{
    struct json_object *obj = json_object_new_object();
    cleanup_str struct str sentence = STR_INIT;
    json_add_str(obj, "kind", merge_overlap_word(o->kind));
    json_add_str(obj, "by", merge_side_word(o->by));
    json_add_i64(obj, "line", (int64_t)o->line);
    json_add_i64(obj, "lines", (int64_t)o->lines);
    json_add_strn(obj, "base", o->base.p, o->base.len);
    json_add_strn(obj, "local", o->local.p, o->local.len);
    json_add_strn(obj, "canonical", o->canonical.p, o->canonical.len);
    merge_overlap_describe(o, &sentence);
    json_add_str(obj, "text", sentence.p);
    return obj;
}

static int report_json(const struct merge_file *m, const struct merge_text_result *r,
                       struct err *err)
{
    cleanup_json struct json_object *obj = json_object_new_object();
    json_add_str(obj, "local", m->label[LOCAL]);
    json_add_str(obj, "base", m->label[BASE]);
    json_add_str(obj, "canonical", m->label[CANONICAL]);
    json_add_bool(obj, "git_clean", r->git_clean);
    struct json_object *overlaps = json_object_new_array();
    for (size_t i = 0; i < r->report.len; i++)
        json_object_array_add(overlaps, overlap_json(&r->report.v[i]));
    json_add(obj, "overlaps", overlaps);
    cleanup_str struct str text = STR_INIT;
    json_print(obj, &text);
    fprintf(m->to_stdout ? stderr : stdout, "%s\n", text.p);
    /* Here and not when the program ends: a status of 1 would be one overlap. */
    if (fflush(stdout) != 0 && errno != EPIPE)
        return err_errno(err, "write to standard output");
    return 0;
}

static void report_text(const struct merge_file *m, const struct merge_text_result *r)
{
    for (size_t i = 0; i < r->report.len; i++) {
        cleanup_str struct str line = STR_INIT;
        str_add_printable(&line, m->label[LOCAL], strlen(m->label[LOCAL]));
        str_adds(&line, ": ");
        merge_overlap_describe(&r->report.v[i], &line);
        fprintf(stderr, "%s\n", line.p);
    }
}

static int merge(struct merge_file *m, struct merge_text_result *r, struct err *err)
{
    int rc = 0;
    for (int i = 0; i < FILES && rc == 0; i++)
        rc = read_version(m->path[i], &m->text[i], err);
    if (rc == 0)
        rc = merge_text(slice(&m->text[BASE]), slice(&m->text[LOCAL]), slice(&m->text[CANONICAL]),
                        r, err);
    if (rc == 0 && m->updates_dir)
        rc = emit_updates(m, err);
    if (rc == 0 && (m->ours || m->theirs || m->both))
        settle_all(m, r);
    if (rc == 0 && m->to_stdout)
        rc = fflush(stdout) == 0 ? fd_write_full(STDOUT_FILENO, r->text.p, r->text.len, err)
                                 : err_errno(err, "write to standard output");
    else if (rc == 0)
        rc = write_result(m->path[LOCAL], &r->text, err);
    return rc;
}

static int run(struct merge_file *m, char **files, const struct strv *labels)
{
    for (size_t i = 0; i < FILES; i++) {
        m->path[i] = files[i];
        m->label[i] = i < labels->len ? labels->v[i] : m->path[i];
    }
    struct err err = ERR_INIT;
    struct merge_text_result r = MERGE_TEXT_RESULT_INIT;
    int rc = merge(m, &r, &err);
    if (rc == 0 && m->json)
        rc = report_json(m, &r, &err);
    else if (rc == 0 && !m->quiet)
        report_text(m, &r);
    size_t overlaps = r.report.len < EXIT_OVERLAPS_MAX ? r.report.len : EXIT_OVERLAPS_MAX;
    merge_text_result_release(&r);
    for (int i = 0; i < FILES; i++)
        str_release(&m->text[i]);
    return rc < 0 ? fail(&err) : (int)overlaps;
}

int cmd_merge_file(int argc, char **argv)
{
    struct merge_file m = {.text = {STR_INIT, STR_INIT, STR_INIT}};
    cleanup_strv struct strv labels = STRV_INIT;
    bool marker_style = false;
    const char *marker_size = NULL;
    const struct opt opts[] = {
        {'p', "stdout", OPT_FLAG, NULL, "print the result instead of replacing <local>",
         .flag = &m.to_stdout},
        {'q', "quiet", OPT_FLAG, NULL, "do not report overlaps", .flag = &m.quiet},
        {'L', NULL, OPT_LIST, "NAME", "call the files so in reports (up to three times)",
         .list = &labels},
        {0, "ours", OPT_FLAG, NULL, "for overlaps, take <local>", .flag = &m.ours},
        {0, "theirs", OPT_FLAG, NULL, "for overlaps, take <canonical>", .flag = &m.theirs},
        {0, "union", OPT_FLAG, NULL, "for overlaps, take both", .flag = &m.both},
        {0, "diff3", OPT_FLAG, NULL, "for git's sake: changes nothing", .flag = &marker_style},
        {0, "zdiff3", OPT_FLAG, NULL, "for git's sake: changes nothing", .flag = &marker_style},
        {0, "marker-size", OPT_VALUE, "N", "for git's sake: changes nothing", .text = &marker_size},
        {0, "json", OPT_FLAG, NULL, "report as JSON on standard output (with -p: standard error)",
         .flag = &m.json},
        {0, "emit-updates", OPT_VALUE, "DIR",
         "write base.update, local.update and canonical.update (Yjs v1, root text \"content\")",
         .text = &m.updates_dir},
        {0}};
    int first, rc = opt_parse(argc, argv, opts, &help, &first);
    if (rc >= 0)
        return rc == EXIT_DONE ? rc : EXIT_ERROR;
    if (argc - first != FILES || labels.len > FILES) {
        opt_usage_error(&help,
                        labels.len > FILES ? "more than three names" : "three files are needed");
        return EXIT_ERROR;
    }
    int size;
    if (marker_size && num_parse_int(marker_size, 0, INT_MAX, &size, NULL) < 0)
        opt_usage_error(&help, "--marker-size: '%s' is not a number", marker_size);
    else if (m.ours + m.theirs + m.both > 1)
        opt_usage_error(&help, "--ours, --theirs and --union exclude each other");
    else
        return run(&m, argv + first, &labels);
    return EXIT_ERROR;
}
