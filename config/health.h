/* How often HAProxy asks a worker whether it takes work: haproxy.cfg is made with it, and a drain waits for it. */
#ifndef QUERN_CONFIG_HEALTH_H
#define QUERN_CONFIG_HEALTH_H

#define HEALTH_CHECK_MS 500 /* `inter`, while a worker is up */
#define HEALTH_CHECK_SPREAD                                                                        \
	10 /* percent that HAProxy may make it longer or shorter (spread-checks) */

#endif
