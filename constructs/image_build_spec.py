"""The build that pushes an image again with a SOCI index (docs/decisions/0050-soci.md)."""

from typing import Any

from contract.names import SOCI_SUFFIX

SOCI_VERSION = "0.14.1"
SOCI_URL = (
    "https://github.com/awslabs/soci-snapshotter/releases/download/"
    f"v{SOCI_VERSION}/soci-snapshotter-{SOCI_VERSION}-linux-amd64.tar.gz"
)
SOCI_SHA256 = "1a8dba2a14c1ba8b65e0b935ef697e22eb8324759961a65296e656dd724d9441"
"""As https://github.com/ducminhle/rules_soci (soci/versions.bzl) pins it; docs/decisions/0050-soci.md."""

DEBIAN_MIRROR = "https://deb.debian.org/debian/pool/main"
DEBIAN_SNAPSHOT = "https://snapshot.debian.org/file"
SKOPEO_PACKAGES = [
    (
        "7ca44a3f31f3cddca9d9dc858029dd08c30faf6e93456753825509e6a59192e2",
        "d58b9d3697d9855ab52ef4add3894108cb3fc97b",
        "s/skopeo/skopeo_1.18.0+ds1-1+b5_amd64.deb",
    ),
    (
        "b59b0625cd1a791375d40dab23a4d5d3d0641e3d0a773501becdc3725b7f99cf",
        "2814165ecd61dee3d64ca4dedfbe47fc9da5e3d1",
        "g/glibc/libc6_2.41-12+deb13u5_amd64.deb",
    ),
    (
        "6650203af59ccf73b22cd6904fb179a799cb70d62885b19ae725c0655c04241c",
        "217860ae157b927d59b4fc9949b8462a9021e5eb",
        "g/gpgme1.0/libgpgme11t64_1.24.2-3_amd64.deb",
    ),
    (
        "9d78ef8f016e7f24b5e20d1ce91939fe0f1f897e5f9059793201e930ded7eb8e",
        "b95cc7cf5bfa4e1956fa5ff22d53f868ba28f2d4",
        "liba/libassuan/libassuan9_3.0.2-2_amd64.deb",
    ),
    (
        "22b95570fd41c113ef6f5651563b4d748292844baab1278a46eb940c1dec2322",
        "593590485c9a6c59d0771cbc852019d83b503df1",
        "libg/libgpg-error/libgpg-error0_1.51-4_amd64.deb",
    ),
    (
        "0a459adaffd901109f7811ab65f58e7a957b4907d05539cf3d1184efdcde0468",
        "5dcd8c2e2a17ccf50d216e49d5c66d24b370858c",
        "s/sqlite3/libsqlite3-0_3.46.1-7+deb13u2_amd64.deb",
    ),
]
"""skopeo and what it is linked with, from Debian 13: SHA-256 as in Debian's signed package list, SHA-1 (the address in
Debian's archive of all that it ever had), and path. No older skopeo will do: it loses the type of the SOCI index."""

BUILD_IMAGE = "aws/codebuild/standard:7.0"
"""AWS's Ubuntu, which has dpkg-deb; it indexes images of either architecture
(https://docs.aws.amazon.com/codebuild/latest/userguide/build-env-ref-available.html)."""

# CodeBuild looks at the exit code of each command as a whole. No braces after a dollar or percent sign: Terraform
# would take them for its own.
_INDEXED_TAG = f"$PREQUEL_IMAGE_TAG{SOCI_SUFFIX}"
_FETCH = "curl --fail --silent --show-error --location --retry 5"
BUILD_SPEC: dict[str, Any] = {
    "version": 0.2,
    "phases": {
        "install": {
            "commands": [
                f'{_FETCH} --output soci.tar.gz "$SOCI_URL"',
                'echo "$SOCI_SHA256  soci.tar.gz" | sha256sum --check --strict',
                "mkdir -p soci tools && tar --extract --gzip --file soci.tar.gz --directory soci",
                "cat > packages <<'END'\n"
                + "".join(f"{sha256} {sha1} {path}\n" for sha256, sha1, path in SKOPEO_PACKAGES)
                + "END",
                # A newer build replaces a package on the mirror sooner or later; the archive keeps every one.
                "while read -r sha256 sha1 path; do\n"
                f'  {_FETCH} --output package.deb "$DEBIAN_MIRROR/$path" ||\n'
                f'    {_FETCH} --output package.deb "$DEBIAN_SNAPSHOT/$sha1" || exit 1\n'
                '  echo "$sha256  package.deb" | sha256sum --check --strict || exit 1\n'
                "  dpkg-deb --extract package.deb tools || exit 1\n"
                "done < packages",
                # With the C library that it was built with, whatever this machine has.
                "printf '#!/bin/sh\\nexec %s --library-path %s %s --insecure-policy \"$@\"\\n'"
                ' "$PWD/tools/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"'
                ' "$PWD/tools/usr/lib/x86_64-linux-gnu" "$PWD/tools/usr/bin/skopeo" > skopeo && chmod +x skopeo',
                "./skopeo --version",
            ]
        },
        "build": {
            "commands": [
                'export REGISTRY_AUTH_FILE="$PWD/auth.json"',
                "aws ecr get-login-password | ./skopeo login --username AWS --password-stdin"
                ' "$(echo "$PREQUEL_REPOSITORY_URL" | cut -d / -f 1)"',
                "if ./skopeo inspect --raw --retry-times 3"
                f' "docker://$PREQUEL_REPOSITORY_URL:{_INDEXED_TAG}" > found.json; then\n'
                f'  echo "{_INDEXED_TAG} is there already"\n'
                "else\n"
                '  ./skopeo --override-os linux --override-arch "$PREQUEL_ARCHITECTURE" copy --retry-times 3'
                ' "docker://$PREQUEL_REPOSITORY_URL@$PREQUEL_IMAGE_DIGEST" oci:in || exit 1\n'
                "  ./soci/soci convert --standalone --format oci-dir"
                ' --platform "linux/$PREQUEL_ARCHITECTURE" in out || exit 1\n'
                # Whatever would change a digest on the way would cut the image off from its index.
                "  ./skopeo copy --all --preserve-digests --retry-times 3 oci:out"
                f' "docker://$PREQUEL_REPOSITORY_URL:{_INDEXED_TAG}" || exit 1\n'
                "fi",
            ]
        },
    },
}


def build_variables(architecture: str, repository_url: str) -> dict[str, str]:
    """What the build spec reads, beside PREQUEL_IMAGE_TAG and PREQUEL_IMAGE_DIGEST; ``architecture`` is an image's."""
    return {
        "DEBIAN_MIRROR": DEBIAN_MIRROR,
        "DEBIAN_SNAPSHOT": DEBIAN_SNAPSHOT,
        "PREQUEL_ARCHITECTURE": architecture,
        "PREQUEL_REPOSITORY_URL": repository_url,
        "SOCI_SHA256": SOCI_SHA256,
        "SOCI_URL": SOCI_URL,
    }
