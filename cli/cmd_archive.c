/* archive: what sessions held that was not published when they ended. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "command.h"
#include "opt.h"
#include "session_view.h"
#include "ui.h"

#define ARCHIVE_MAX ((uint64_t)1 << 40)

static const struct command_help help = {
    .name = "archive",
    .synopsis = "list | get <id|link>",
    .summary = "Lists and fetches the unpublished work of ended sessions.",
    .text =
        "The server keeps it for 30 days as a git bundle: 'git fetch FILE' reads it in a clone of\n"
        "the repository, its refs name the session branch and everybody's unsynced work.",
    .example = "steadystate archive list\n"
               "steadystate archive get k3jx5m2qzv7ah4tw6ydn -o work.bundle",
};

static void print_archive(struct json_object *a)
{
    int64_t size = 0, created = 0;
    json_opt_i64(a, "size", 0, INT64_MAX, &size, NULL);
    json_opt_i64(a, "created_at", 0, INT64_MAX, &created, NULL);
    cleanup_str struct str when = STR_INIT;
    cleanup_str struct str repo = STR_INIT;
    const char *url = session_text(a, "repo_url");
    ui_add_relative_time(&when, created, clock_now(&clock_real));
    str_add_printable(&repo, url, strlen(url));
    printf("%-20s  %12lld  %-14s  %s\n", session_text(a, "session_id"), (long long)size, when.p,
           repo.p);
}

static int list(struct backend *b, bool json)
{
    struct err err = ERR_INIT;
    cleanup_json struct json_object *answer = NULL;
    struct json_object *archives = NULL;
    if (backend_call(b, "GET", "/archives", NULL, 0, &answer, NULL, &err) ||
        json_opt_array(answer, "archives", 100000, &archives, &err))
        return backend_fail(b, "archive list", &err);
    if (json) {
        ui_print_json(answer);
        return EXIT_DONE;
    }
    size_t n = archives ? json_object_array_length(archives) : 0;
    if (n == 0)
        ui_note("No archives.");
    else
        ui_title("%-20s  %12s  %-14s  %s\n", "SESSION", "BYTES", "ENDED", "REPOSITORY");
    for (size_t i = 0; i < n; i++)
        print_archive(json_object_array_get_idx(archives, i));
    return EXIT_DONE;
}

static int get_to_stdout(struct backend *b, const char *id)
{
    struct err err = ERR_INIT;
    cleanup_free char *path = xasprintf("/archives/%s", id);
    int rc = backend_download(b, path, STDOUT_FILENO, ARCHIVE_MAX, &err);
    return rc ? backend_fail(b, "archive get", &err) : EXIT_DONE;
}

/* Into a temporary beside the file: an interrupted download never looks like an archive. */
static int get(struct backend *b, const char *id, const char *file, bool json)
{
    struct err err = ERR_INIT;
    cleanup_free char *path = xasprintf("/archives/%s", id);
    cleanup_free char *own = file ? NULL : xasprintf("%s.bundle", id);
    const char *name = file ? file : own;
    cleanup_free char *temp = xasprintf("%s.part", name);
    cleanup_close int fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return ui_fail(EXIT_FAILED, temp, strerror(errno), "Name another file with -o.");
    int rc = backend_download(b, path, fd, ARCHIVE_MAX, &err);
    if (rc == 0 && (fsync(fd) < 0 || rename(temp, name) < 0))
        rc = err_errno(&err, "%s", name);
    if (rc) {
        unlink(temp);
        return backend_fail(b, "archive get", &err);
    }
    if (!json) {
        printf("%s\n", name);
        return EXIT_DONE;
    }
    cleanup_json struct json_object *obj = json_object_new_object();
    json_add_str(obj, "id", id);
    json_add_str(obj, "file", name);
    ui_print_json(obj);
    return EXIT_DONE;
}

int cmd_archive(int argc, char **argv)
{
    const char *server = NULL, *output = NULL;
    bool json = false;
    const struct opt opts[] = {
        {'o', "output", OPT_VALUE, "FILE", "get: where to (default <id>.bundle; - is stdout)",
         .text = &output},
        {'s', "server", OPT_VALUE, "URL", "another server than the current one", .text = &server},
        {0, "json", OPT_FLAG, NULL, "as JSON", .flag = &json},
        {0}};
    int first, rc = opt_parse(argc, argv, opts, &help, &first);
    if (rc >= 0)
        return rc;
    const char *verb = first < argc ? argv[first] : "";
    bool is_list = strcmp(verb, "list") == 0 && first + 1 == argc;
    bool is_get = strcmp(verb, "get") == 0 && first + 2 == argc;
    char id[SESSION_ID_LEN + 1];
    if (!is_list && !is_get)
        return opt_usage_error(&help, "say 'list', or 'get' and a session id");
    if (is_get && (rc = session_operand("archive get", argv[first + 1], id)) >= 0)
        return rc;
    struct err err = ERR_INIT;
    cleanup_backend struct backend b = {0};
    if (backend_open(server, &b, &err))
        return ui_fail_err("archive", &err, NULL);
    if (is_list)
        return list(&b, json);
    return output && strcmp(output, "-") == 0 ? get_to_stdout(&b, id) : get(&b, id, output, json);
}
