/* What members, kick, role and approve ask the session's agent when they are run inside of it.
 * Outside they ask the server (backend.h). */
#ifndef CLI_INSIDE_ASK_H
#define CLI_INSIDE_ASK_H

#include <stdbool.h>

#include "base/json.h"

/* Inside a session, and neither another session nor a server was named (both may be NULL)? */
bool inside_ask_here(const char *session, const char *server);

/* One verb of agent.sock (docs/protocols.md); members is taken, *reply is the caller's, may be
 * NULL. EXIT_DONE, or the exit code after a message that ends with `todo` where it was not allowed.
 */
int inside_ask(const char *verb, struct json_object *members, const char *todo,
               struct json_object **reply);

#endif
