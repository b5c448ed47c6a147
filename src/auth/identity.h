/* Who somebody is: (provider, the provider's immutable id). The login is what people see and type.
 */
#ifndef AUTH_IDENTITY_H
#define AUTH_IDENTITY_H

#include <stdbool.h>

#include "base/err.h"

#define IDENTITY_SUBJECT_MAX 255

struct identity {
    char *provider;
    char *subject; /* immutable at the provider; printable ASCII without spaces */
    char *login;
};

void identity_release(struct identity *id);
#define cleanup_identity cleanup(identity_release)

void identity_set(struct identity *id, const char *provider, const char *subject,
                  const char *login);
void identity_copy(const struct identity *from, struct identity *to);
/* provider, subject and login within their maxima and safe to show and store. */
int identity_check(const struct identity *id, struct err *err);

#endif
