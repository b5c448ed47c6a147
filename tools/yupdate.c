/* yupdate: Yjs v1 updates on the command line. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/num.h"
#include "base/str.h"
#include "replay.h"
#include "trace.h"
#include "ycrdt/ycrdt.h"

enum { EXIT_USAGE = 2 };

/* Yjs clients are 53-bit numbers: what a JavaScript number holds. */
#define CLIENT_MAX ((1ULL << 53) - 1)
#define CLIENT_DIGITS 16

static const char help[] =
    "usage: yupdate COMMAND [options] FILE...\n"
    "\n"
    "Reads and writes Yjs v1 document updates, for people who work on documents. Updates are\n"
    "binary, a state vector is what sv prints or binary; - is standard input. Exit 1 on a\n"
    "malformed update.\n"
    "\n"
    "Commands:\n"
    "  text [-r ROOT] FILE...  apply the updates, print the root text (default: content)\n"
    "  merge FILE...           one update that does what all of them do\n"
    "  sv FILE...              state vector of them all as JSON {client: clock}\n"
    "  diff FILE SVFILE        what a document with that state vector lacks\n"
    "  replay [--json] TRACE   replay an editing trace (.json or .json.gz), print time, memory, "
    "sizes\n"
    "\n"
    "Options:\n"
    "  -r, --root ROOT  the root text that is printed\n"
    "      --json       replay: as JSON\n"
    "  -h, --help       this text\n"
    "\n"
    "Example:\n"
    "  yupdate merge monday.bin tuesday.bin > both.bin\n";

static int usage(void)
{
    fputs(help, stderr);
    return EXIT_USAGE;
}

static int fail(const struct err *err)
{
    fprintf(stderr, "yupdate: %s\n", err->msg);
    return EXIT_FAILURE;
}

static int read_input(const char *path, struct str *out, struct err *err)
{
    /* A pipe and a link are as good as a file: these are the user's own. */
    cleanup_close int file = -1;
    if (strcmp(path, "-") != 0 && (file = open(path, O_RDONLY | O_CLOEXEC)) < 0)
        return err_errno(err, "open %s", path);
    int code = fd_read_all(file < 0 ? STDIN_FILENO : file, YCRDT_MAX_UPDATE, out, err);
    return code == 0 ? 0 : err_wrap(err, "%s", path);
}

static int write_out(const struct str *s)
{
    struct err err = ERR_INIT;
    return fd_write_full(STDOUT_FILENO, s->p, s->len, &err) == 0 ? EXIT_SUCCESS : fail(&err);
}

/* Applies the files in their order. */
static int apply_files(struct ycrdt *d, int n, char **files, struct err *err)
{
    for (int i = 0; i < n; i++) {
        cleanup_str struct str s = STR_INIT;
        int code = read_input(files[i], &s, err);
        if (code == 0 && (code = ycrdt_apply(d, s.p, s.len, err)) != 0)
            err_wrap(err, "%s", files[i]);
        if (code != 0)
            return code;
    }
    ycrdt_settle(d);
    return 0;
}

/* -r ROOT, -rROOT, --root ROOT, --root=ROOT: how many arguments it took; -1 without a value. */
static int take_root(int argc, char **argv, const char **root)
{
    if (argc < 1)
        return 0;
    if (strcmp(argv[0], "-r") == 0 || strcmp(argv[0], "--root") == 0) {
        *root = argv[1];
        return argc > 1 ? 2 : -1;
    }
    const char *value = strncmp(argv[0], "--root=", 7) == 0 ? argv[0] + 7
                        : strncmp(argv[0], "-r", 2) == 0    ? argv[0] + 2
                                                            : NULL;
    if (value)
        *root = value;
    return value ? 1 : 0;
}

static int cmd_text(int argc, char **argv)
{
    const char *root = "content";
    struct err err = ERR_INIT;
    int taken = take_root(argc, argv, &root);
    argc -= taken;
    argv += taken;
    if (taken < 0 || argc < 1)
        return usage();
    cleanup_ycrdt struct ycrdt *d = ycrdt_new(0, 0);
    if (apply_files(d, argc, argv, &err) != 0)
        return fail(&err);
    cleanup_str struct str text = STR_INIT;
    ycrdt_read(d, ycrdt_text(d, root), &text);
    return write_out(&text);
}

static int cmd_merge(int argc, char **argv)
{
    struct err err = ERR_INIT;
    if (argc < 1)
        return usage();
    struct str *in = xcalloc((size_t)argc, sizeof *in);
    struct ycrdt_buf *bufs = xcalloc((size_t)argc, sizeof *bufs);
    cleanup_str struct str out = STR_INIT;
    int code = 0;
    for (int i = 0; i < argc; i++)
        in[i] = (struct str)STR_INIT;
    for (int i = 0; i < argc && code == 0; i++) {
        code = read_input(argv[i], &in[i], &err);
        bufs[i] = (struct ycrdt_buf){in[i].p, in[i].len};
    }
    if (code == 0)
        code = ycrdt_merge_updates(bufs, (size_t)argc, &out, &err);
    for (int i = 0; i < argc; i++)
        str_release(&in[i]);
    free(in);
    free(bufs);
    return code == 0 ? write_out(&out) : fail(&err);
}

static int cmd_sv(int argc, char **argv)
{
    struct err err = ERR_INIT;
    if (argc < 1)
        return usage();
    cleanup_ycrdt struct ycrdt *d = ycrdt_new(0, 0);
    if (apply_files(d, argc, argv, &err) != 0)
        return fail(&err);
    cleanup_str struct str sv = STR_INIT, json = STR_INIT;
    cleanup_free struct ycrdt_clock *clocks = NULL;
    size_t n = 0;
    ycrdt_encode_sv(d, &sv);
    if (ycrdt_sv_decode(sv.p, sv.len, &clocks, &n, &err) != 0)
        return fail(&err);
    str_addc(&json, '{');
    for (size_t i = 0; i < n; i++)
        str_addf(&json, "%s\"%llu\":%llu", i ? "," : "", (unsigned long long)clocks[i].client,
                 (unsigned long long)clocks[i].clock);
    str_adds(&json, "}\n");
    return write_out(&json);
}

/* {"client":clock, ...} as `sv` prints it, made binary. */
static int sv_from_json(const struct str *json, struct str *out, struct err *err)
{
    cleanup_json struct json_object *obj = NULL;
    int code = json_parse(json->p, json->len, &obj, err);
    if (code != 0)
        return code;
    if (!json_object_is_type(obj, json_type_object))
        return err_set(err, ERR_INVALID, "not an object");
    size_t n = 0;
    cleanup_free struct ycrdt_clock *clocks =
        xcalloc((size_t)json_object_object_length(obj) + 1, sizeof *clocks);
    json_object_object_foreach(obj, key, value)
    {
        struct ycrdt_clock *c = &clocks[n++];
        int64_t clock = 0;
        (void)value;
        if (strlen(key) > CLIENT_DIGITS ||
            num_parse_u64(key, strlen(key), 0, CLIENT_MAX, &c->client, NULL) != 0 ||
            json_get_i64(obj, key, 0, UINT32_MAX, &clock, NULL) != 0)
            return err_set(err, ERR_INVALID, "a client or clock is not a number");
        c->clock = (uint64_t)clock;
    }
    ycrdt_sv_encode(clocks, n, out);
    return 0;
}

/* A state vector in either form, left binary. '{' also begins a binary one of 123 clients. */
static int read_sv(const char *path, struct str *sv, struct err *err)
{
    cleanup_free struct ycrdt_clock *clocks = NULL;
    size_t n = 0;
    int code = read_input(path, sv, err);
    if (code != 0)
        return code;
    if (sv->p[strspn(sv->p, " \t\r\n")] != '{' ||
        ycrdt_sv_decode(sv->p, sv->len, &clocks, &n, NULL) == 0)
        return 0;
    cleanup_str struct str json = *sv;
    *sv = (struct str)STR_INIT;
    code = sv_from_json(&json, sv, err);
    return code == 0 ? 0 : err_wrap(err, "%s: malformed state vector", path);
}

static int cmd_diff(int argc, char **argv)
{
    struct err err = ERR_INIT;
    if (argc != 2)
        return usage();
    cleanup_str struct str update = STR_INIT, sv = STR_INIT, out = STR_INIT;
    if (read_input(argv[0], &update, &err) != 0 || read_sv(argv[1], &sv, &err) != 0 ||
        ycrdt_diff_update(update.p, update.len, sv.p, sv.len, &out, &err) != 0)
        return fail(&err);
    return write_out(&out);
}

static int cmd_replay(int argc, char **argv)
{
    struct err err = ERR_INIT;
    bool first = argc > 0 && strcmp(argv[0], "--json") == 0;
    bool json = first || (argc > 1 && strcmp(argv[1], "--json") == 0);
    if (argc != (json ? 2 : 1))
        return usage();
    const char *path = argv[first];
    const char *slash = strrchr(path, '/');
    struct trace t;
    bool same = false;
    int code = trace_read(path, &t, &err);
    if (code == 0)
        code = replay(&t, slash ? slash + 1 : path, json, &same, &err);
    trace_release(&t);
    if (code == 0 && fflush(stdout) != 0)
        code = err_errno(&err, "write");
    if (code != 0)
        return fail(&err);
    return same ? EXIT_SUCCESS : EXIT_FAILURE;
}

static bool asks_for_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } commands[] = {
        {"text", cmd_text}, {"merge", cmd_merge},   {"sv", cmd_sv},
        {"diff", cmd_diff}, {"replay", cmd_replay},
    };
    if (argc < 2)
        return usage();
    if (strcmp(argv[1], "help") == 0 || asks_for_help(argv[1]) ||
        (argc > 2 && asks_for_help(argv[2]))) {
        fputs(help, stdout);
        return EXIT_SUCCESS;
    }
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 2, argv + 2);
    return usage();
}
