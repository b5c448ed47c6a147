#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "wrapper/remote.h"

/* One word as git quotes it for a shell: '...' with '\'' and '\!' between, or bare. False when
 * there is more than that. */
static bool unquote(const char *p, struct str *out)
{
    while (*p) {
        if (*p == '\'') {
            size_t n = strcspn(++p, "'");
            if (p[n] != '\'')
                return false;
            str_add(out, p, n);
            p += n + 1;
        } else if (*p == '\\' && (p[1] == '\'' || p[1] == '!')) {
            str_addc(out, p[1]);
            p += 2;
        } else if (strchr(" \t\n\"$`;&|<>(){}*?[]#\\", *p)) {
            return false;
        } else {
            str_addc(out, *p++);
        }
    }
    return true;
}

static bool is_session(char *path, const char *repo_name, const char *canonical)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        path[--n] = '\0';
    if (strcmp(path, canonical) == 0)
        return true;
    if (path[0] == '/' && path[1] == '~')
        path++;
    if (path[0] == '~' && (path[1] == '/' || path[1] == '\0'))
        path++;
    if (path[0] == '/')
        path++;
    if (path[0] == '\0')
        return true;
    size_t len = strlen(repo_name);
    return strncmp(path, repo_name, len) == 0 &&
           (path[len] == '\0' || strcmp(path + len, ".git") == 0);
}

enum remote_kind remote_parse(const char *command, const char *repo_name, const char *canonical)
{
    static const struct {
        const char *program;
        enum remote_kind kind;
    } programs[] = {{"upload-pack", REMOTE_FETCH},
                    {"receive-pack", REMOTE_PUSH},
                    {"upload-archive", REMOTE_ARCHIVE}};
    if (!command || strncmp(command, "git", 3) != 0 || (command[3] != '-' && command[3] != ' '))
        return REMOTE_NONE;
    for (size_t i = 0; i < ARRAY_LEN(programs); i++) {
        size_t n = strlen(programs[i].program);
        if (strncmp(command + 4, programs[i].program, n) != 0 || command[4 + n] != ' ')
            continue;
        cleanup_str struct str path = STR_INIT;
        return unquote(command + 4 + n + 1, &path) && is_session(path.p, repo_name, canonical)
                   ? programs[i].kind
                   : REMOTE_NONE;
    }
    return REMOTE_NONE;
}
