#include "sync/attrs.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "git/run.h"

#define OUTPUT_EACH 4400 /* path, attribute and value in the answer, at most */
#define ASKED 4          /* attributes asked for */

bool attrs_text_converts(const char *text, size_t len)
{
    static const char *const words[] = {"eol", "filter", "working-tree-encoding", "ident", "crlf"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (memmem(text, len, words[i], strlen(words[i])))
            return true;
    return false;
}

static bool exists(const char *dir, const char *name)
{
    if (!dir || !dir[0])
        return false;
    cleanup_free char *path = path_join(dir, name);
    return access(path, F_OK) == 0;
}

int attrs_config(const struct attrs_repo *repo, struct attrs_config *out, struct err *err)
{
    static const char *const args[] = {"config", "--get-regexp",
                                       "^core\\.(autocrlf|eol|attributesfile|ignorecase)$", NULL};
    struct git_run run = {
        .kind = GIT_RUN_USER, .git_dir = repo->git_dir, .work_tree = repo->work_tree, .args = args};
    cleanup_proc_result struct proc_result answer = {0, STR_INIT, STR_INIT};
    *out = (struct attrs_config){0};
    out->some = exists(repo->git_dir, "info/attributes") || exists("/etc", "gitattributes") ||
                exists(getenv("XDG_CONFIG_HOME"), "git/attributes") ||
                exists(getenv("HOME"), ".config/git/attributes");
    int rc = git_run(&run, &answer, err);
    if (rc < 0 && answer.status == 1) { /* nothing of it is set */
        err_clear(err);
        return 0;
    }
    if (rc < 0)
        return rc;
    cleanup_strv struct strv lines = STRV_INIT;
    strv_split(&lines, answer.out.p, "\n");
    for (size_t i = 0; i < lines.len; i++) {
        out->all |= strcmp(lines.v[i], "core.autocrlf true") == 0 ||
                    strcmp(lines.v[i], "core.eol crlf") == 0;
        out->some |= str_starts_with(lines.v[i], "core.attributesfile");
        out->ignore_case |= str_starts_with(lines.v[i], "core.ignorecase") &&
                            strcmp(lines.v[i], "core.ignorecase false") != 0;
    }
    return 0;
}

/* One (path, attribute, value) of the answer. */
static bool converts(const char *attribute, const char *value)
{
    if (strcmp(value, "unspecified") == 0 || strcmp(value, "unset") == 0)
        return false;
    if (strcmp(attribute, "eol") == 0)
        return strcmp(value, "crlf") == 0;
    return true;
}

static int read_answer(const struct str *out, const char *const *paths, size_t n, bool *converted,
                       struct err *err)
{
    const char *p = out->p;
    const char *end = out->p + out->len;
    for (size_t i = 0; i < n * ASKED; i++) {
        const char *part[3];
        for (size_t k = 0; k < 3; k++) {
            const char *stop = p < end ? memchr(p, '\0', (size_t)(end - p)) : NULL;
            if (!stop)
                return err_set(err, ERR_FAILED, "git check-attr: short answer");
            part[k] = p;
            p = stop + 1;
        }
        if (strcmp(part[0], paths[i / ASKED]) != 0)
            return err_set(err, ERR_FAILED, "git check-attr: unexpected answer");
        converted[i / ASKED] |= converts(part[1], part[2]);
    }
    return 0;
}

int attrs_converted(const struct attrs_repo *repo, const char *const *paths, size_t n,
                    bool *converted, struct err *err)
{
    static const char *const args[] = {
        "check-attr", "-z", "--stdin", "eol", "filter", "working-tree-encoding", "ident", NULL};
    cleanup_str struct str input = STR_INIT;
    cleanup_proc_result struct proc_result out = {0, STR_INIT, STR_INIT};
    memset(converted, 0, n * sizeof *converted);
    if (n == 0)
        return 0;
    for (size_t i = 0; i < n; i++)
        str_add(&input, paths[i], strlen(paths[i]) + 1);
    struct git_run run = {.kind = GIT_RUN_USER,
                          .git_dir = repo->git_dir,
                          .work_tree = repo->work_tree,
                          .args = args,
                          .input = input.p,
                          .input_len = input.len,
                          .max_output = n * ASKED * OUTPUT_EACH};
    int rc = git_run(&run, &out, err);
    return rc ? rc : read_answer(&out.out, paths, n, converted, err);
}
