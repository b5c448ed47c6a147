#include "wrapper/args.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "proto/spec.h"

void wrapper_args_release(struct wrapper_args *args)
{
    free(args->root);
    free(args->provider);
    free(args->login);
    *args = (struct wrapper_args){0};
}

static int from_words(size_t n, char *const *words, struct wrapper_args *out, struct err *err)
{
    const char *root = WRAPPER_DEFAULT_ROOT;
    if (n == 4 && strcmp(words[0], "--session-root") == 0) {
        root = words[1];
        words += 2;
        n -= 2;
    }
    if (n != 2)
        return err_set(err, ERR_INVALID, "wrong arguments");
    if (root[0] != '/')
        return err_set(err, ERR_INVALID, "the session root must be absolute");
    if (!spec_provider_is_valid(words[0]) || !spec_login_is_valid(words[1]))
        return err_set(err, ERR_INVALID, "provider or login is malformed");
    *out = (struct wrapper_args){xstrdup(root), xstrdup(words[0]), xstrdup(words[1])};
    return 0;
}

int wrapper_args_parse(int argc, char *const *argv, struct wrapper_args *out, struct err *err)
{
    *out = (struct wrapper_args){0};
    if (argc == 3 && strcmp(argv[1], "-c") == 0) {
        cleanup_strv struct strv words = STRV_INIT;
        if (strlen(argv[2]) > WRAPPER_COMMAND_MAX)
            return err_set(err, ERR_LIMIT, "the command is too long");
        strv_split(&words, argv[2], " ");
        if (words.len < 1)
            return err_set(err, ERR_INVALID, "wrong arguments");
        return from_words(words.len - 1, words.v + 1, out, err);
    }
    return from_words(argc > 0 ? (size_t)argc - 1 : 0, argv + 1, out, err);
}

enum wrapper_kind wrapper_kind_of(const char *command)
{
    if (!command || !command[0])
        return WRAPPER_SHELL;
    if (command[0] == '/' && str_ends_with(command, "/sftp-server") &&
        !strpbrk(command, " \t\n\"'\\$`;&|<>(){}*?[]#~!"))
        return WRAPPER_SFTP;
    if (strcmp(command, WRAPPER_WATCH_COMMAND) == 0)
        return WRAPPER_WATCH;
    if (strcmp(command, "steadystate pair") == 0 || wrapper_is_read_only(command))
        return WRAPPER_PAIR;
    return WRAPPER_COMMAND;
}

bool wrapper_is_read_only(const char *command)
{
    return command && strcmp(command, "steadystate pair --read-only") == 0;
}

const char *wrapper_kind_word(enum wrapper_kind kind)
{
    static const char *const words[] = {"shell", "command", "sftp", "watch", "pair"};
    return words[kind];
}

bool wrapper_keeps_variable(const char *assignment)
{
    static const char *const names[] = {
        "TERM=",    "LANG=",       "COLORTERM=",      "GIT_PROTOCOL=",
        "SSH_TTY=", "SSH_CLIENT=", "SSH_CONNECTION=", "TZ="};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_starts_with(assignment, names[i]))
            return true;
    return str_starts_with(assignment, "LC_") && strchr(assignment, '=');
}
