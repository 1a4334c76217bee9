/** Every code that NOPEA tells, from one table: what it means, what usually causes it, what to do. `docs/errors.md` is made of it. */

export interface Code {
  /** Such as `NOPEA-A004`. */
  readonly code: string
  readonly meaning: string
  readonly cause: string
  readonly fix: string
}

/** Letter of a code -> what such codes are about. */
export const AREAS: Readonly<Record<string, string>> = {
  G: "Git: the repository and its server",
  R: "Render: what the files hold",
  A: "Apply: objects and the API server",
  D: "Drift and notifications",
  W: "Webhooks, as the sender is answered",
  E: "Events to other tools",
  C: "Configuration: settings, GitRepositories, the command line",
}

/** `code | what it means | what usually causes it | what to do`, in the order of codes. */
const TABLE = `
G001 | the Git server cannot be reached | its name does not resolve, or a firewall, network policy or proxy stands between | check spec.url's host, DNS, network policies and the proxy; it is tried again by itself
G002 | the Git server did not answer in time | an overloaded server, or a connection that hangs | check that the server is healthy and reachable; it is tried again by itself
G003 | the Git server wants credentials, or does not accept these | no spec.secretRef, or an expired token; some servers ask for credentials where the repository does not exist | name a Secret with working credentials in spec.secretRef; a changed Secret is read at the next request or spec change
G004 | the credentials are valid, and may not read this repository | a token without the right scope, or an account that is no member | allow these credentials to read the repository
G005 | there is no such repository, or the credentials do not see it | a typing error in spec.url, a moved or private repository | correct spec.url, or give the credentials access
G006 | the branch does not exist | a typing error in spec.branch, or a branch that was deleted or not pushed yet | push the branch, or correct spec.branch; nothing is pruned meanwhile
G007 | the repository has no commit yet | a new repository | push a first commit
G008 | spec.path does not exist in this commit, or is no directory | a typing error, or a directory that was moved | correct spec.path, or commit files there; nothing is pruned meanwhile
G009 | the certificate of the Git server is not trusted | a private authority, or a certificate that has expired | put the authority's certificate into the key ca.crt of spec.secretRef, or mend the certificate
G010 | the host key of the SSH server is not known | no known_hosts, or a server that has a new key | put the server's key into known_hosts of spec.secretRef, after checking it
G011 | the Git server limits requests | many repositories that are polled often, or anonymous access | nothing at first: all who ask that server so stay away for as long as it says, at most an hour, and then sync by themselves; against the next time lengthen spec.interval, use a webhook, or use credentials
G012 | the Git server redirects to another address | a renamed repository, or http instead of https | set spec.url to the address that the server redirects to
G013 | the Git server failed (5xx) | an incident at the server | check the health of the server; it is tried again by itself
G014 | the mirror on the controller's disk is damaged | a killed process or a bad disk | nothing: it is fetched anew; if it returns, check the disk below NOPEA_DATA_DIR
G015 | the controller's disk is full | large repositories below a small NOPEA_DATA_DIR | give NOPEA_DATA_DIR more space
G016 | the mirror is larger than allowed | large files below spec.path | narrow spec.path, or raise NOPEA_MIRROR_MAX_BYTES
G017 | spec.url is not accepted | an unknown scheme, or credentials in the URL | set spec.url to https://host/path or ssh://user@host/path without credentials; these belong into spec.secretRef
G018 | credentials would travel unencrypted | http:// together with spec.secretRef | use https://, or remove spec.secretRef
G019 | file:// is not allowed | the controller's default | use https://, or start the controller with NOPEA_ALLOW_FILE_URLS=true
G021 | the program git is missing or too old | an image of your own without it | install git 2.39 or newer beside the controller
G022 | the name of the branch is not valid | characters that git does not allow | set spec.branch to a valid branch name, such as main
G023 | a credential cannot be sent | line breaks or spaces in a token | store each credential as one line, a token without spaces
G024 | what answers is no Git server, or broke off | a login page, a proxy, or a URL of a web page | check that spec.url is what git clone takes, and the proxy between
G025 | the server lacks what NOPEA needs | git's dumb HTTP protocol, or SHA-256 object ids | serve the repository by the smart HTTP protocol, with SHA-1 ids
G026 | the commit is gone from the server | a force-push between question and fetch | nothing: the next sync takes the branch's new head
G027 | a path is not accepted | .. or .git in spec.path | use a path inside the repository
G028 | the data directory cannot be used | it is missing, read-only or of another user | make NOPEA_DATA_DIR a directory that the controller may write
G029 | git could not be started, or was killed | limits on processes, files or memory | raise the limits of the controller's pod; look for git
G030 | the files below spec.path are too many or too large together | spec.path is the root of a large repository | narrow spec.path, or split the directory over several GitRepositories
G031 | the tag does not exist | a typing error in spec.ref.tag, or a tag that was deleted or not pushed yet | push the tag, or correct spec.ref.tag; nothing is pruned meanwhile
G032 | the name of the tag is not valid | characters that git does not allow | set spec.ref.tag to a valid tag name, such as v1.2.3
G033 | no tag is in the version range | no such release yet, or tags that are no semantic versions | push such a tag, or widen spec.ref.semver
G034 | the version range cannot be read | a typing error in spec.ref.semver | write it as 1.x or >=1.2.0 <2.0.0
G035 | the commit does not exist on the server | a typing error in spec.ref.commit, or a commit that was not pushed | push the commit, or correct spec.ref.commit
G036 | the server does not give out this commit by its id | it is reachable from no branch or tag, or the server allows only these | follow a branch or a tag at that commit, or allow it at the server (uploadpack.allowReachableSHA1InWant)
G037 | what is followed is no commit | a tag of a file or tree | follow a commit, or a tag of one
G038 | the repository has too many tags to choose from | a version range in a very large repository | name one tag in spec.ref.tag instead of a range
G039 | the SSH server has another key than the one that is known | its key was changed, or somebody is in between | find out which of the two it is; then put the new key into known_hosts of the Secret
G040 | the SSH key in the Secret cannot be used | no identity, no private key, or an encrypted one without the right password, or with too many rounds | give the Secret identity, known_hosts and, for an encrypted key, its passphrase as password
G041 | the program ssh is missing | an image of your own without it | install OpenSSH's client beside the controller
G042 | the commit is not signed by SSH | spec.verify, and a commit without a signature or with one by PGP | sign the commit with an SSH key that spec.verify trusts, and push it
G043 | nobody trusted signed the commit | a key that is not in the Secret of spec.verify | have somebody trusted sign and push a commit, or add the key to the Secret
G044 | the signature is not of this commit | somebody altered the commit after it was signed | find out who made it; push one that is signed as it is
G045 | more is to be asked of one Git server than NOPEA_GIT_HOST_RATE lets | more polls than its pace allows, for minutes | lengthen spec.interval, use webhooks, or raise NOPEA_GIT_HOST_RATE as far as the server allows
G046 | the proxy between the controller and the Git server does not serve | a proxy that wants a password, does not allow this server, is down, or whose address is wrong | check HTTPS_PROXY, HTTP_PROXY and NO_PROXY of the controller's pod, and the proxy; or name the server in NO_PROXY
G099 | git failed in a way that has no code of its own | see the reason | read the reason; it is tried again by itself
R001 | a folder with a kustomization, below a path without one | spec.path is above the overlay | let spec.path name the folder, or add a kustomization.yaml at the path that lists what it has
R002 | Helm charts are not rendered yet | a Chart.yaml below spec.path | run helm template in CI and commit the result, or move the chart out of the path
R003 | a symbolic link is not followed | a link whose name looks like a manifest | commit the file itself, or remove the link
R005 | the file is a Git LFS pointer | manifests tracked by LFS | keep manifests out of LFS: git lfs untrack, then commit the file
R006 | the file is not UTF-8 text | another encoding, or a binary file named .yaml | save it as UTF-8, or move it out of the path
R007 | the file is too large | generated data below spec.path | split the file, move it out of the path, or raise NOPEA_RENDER_MAX_BYTES
R008 | the file has too many documents | a generated file | split the file
R009 | the file is not valid YAML | wrong indentation, an unfinished merge, or a template with {{ }} | correct the line that is named; render templates before they are committed
R010 | the file is not valid JSON | several objects in one file, or comments | correct the line; several objects go into a List
R011 | a key is written twice in one mapping | a copy, or a merge gone wrong | keep one of the two lines that are named
R012 | an alias (*) has no anchor (&) above it | an anchor in another document, or text that begins with * | define the anchor before its alias, or quote the text
R013 | aliases expand to too much text | an alias bomb, meant or not | write the repeated parts out, or split the document
R014 | collections are nested too deep | a generated or hostile file | flatten the document
R015 | a value or key has no meaning in JSON | infinity, NaN, an empty key, a wrong merge key or tag | quote the value or key
R016 | the document is no Kubernetes object | a file of another tool below spec.path | write apiVersion, kind and metadata, or move the file out of the path
R017 | apiVersion, kind or metadata.name is missing | a typing error, or a file of another tool | add what is missing, or move the file out of the path
R018 | the object has generateName and no name | a manifest meant for kubectl create | give it a metadata.name
R019 | a field of the object has the wrong type or form | an unquoted number or true as a label's value, a path as a name | quote the value, or write what the failure asks for
R020 | the items of a List are no list | wrong indentation | begin each item with a dash
R021 | the object is encrypted with SOPS | SOPS is not decrypted yet | keep it out of the path, or use an operator such as External Secrets or Sealed Secrets
R022 | the same object is declared more than once | a copied file | keep one of them; until then none is applied
R023 | parsing a file, or a run of kustomize, took too long | an extreme file, or hundreds of overlays in one kustomization | simplify or split it; NOPEA_RENDER_TIMEOUT is the bound of a file, NOPEA_KUSTOMIZE_TIMEOUT of kustomize
R024 | the thread that parsed the file, or kustomize, died | it needed more memory than is allowed | simplify or split it
R025 | the files below spec.path are too large together | spec.path is the root of a large repository | narrow spec.path, or split it over several GitRepositories
R026 | a file's content could not be read | a damaged mirror | ask for a sync; if it stays, restart the controller with an empty data directory
R027 | kustomize is not there, or does not start | a controller outside its image | install kustomize beside the controller, or say where it is with NOPEA_KUSTOMIZE
R028 | the kustomization is malformed | an unknown field, a value of another type, two kustomizations in a folder | correct the field that is named
R029 | a kustomization names something remote | a remote base, or a path with a : or ? in it | commit what it names, and name the copy
R030 | a path of a kustomization leaves the repository | an absolute path, or one .. too many | move what it names into the repository
R031 | a path of a kustomization leads to nothing that can be used | a typing error, a symbolic link, a folder without a kustomization | correct the path, or commit the file
R032 | a kustomization wants what is not run | Helm, functions and plugins that are programs or containers | use the fields of the kustomization itself, or render it in CI and commit the result
R033 | a kustomization is a circle, too deep or too large | a base that names what names it, or generated overlays | take the entry out, or split it over several GitRepositories
R034 | kustomize refuses the kustomization | a patch without a target, a name given twice | correct what it names; kustomize build shows the same
A001 | the API server does not accept our credentials (401) | an expired token, or the wrong user in the kubeconfig | check the service account's token, or the user in the kubeconfig
A002 | the account lacks a right (403) | RBAC of spec.serviceAccountName, or of your own user on the command line | grant the verb that the failure names on that kind
A003 | there is no such object (404) | it was deleted since, or the name is wrong | nothing where the controller says it; correct the name on the command line
A004 | a field that cannot be changed was changed | selectors, Job templates, Service addresses | set spec.force to have the object made anew, or rename it
A005 | the object changed, went or was recreated since it was looked at | somebody else writes it too | nothing: it is looked at again
A006 | an object of this name exists already | it was created in the meantime | nothing: it is looked at again
A007 | the position in the history of these objects has expired | a long pause or a busy cluster | nothing: they are listed anew
A008 | the object is too large | a ConfigMap or Secret above 1 MiB | split it, or keep large content outside the cluster
A009 | the API server finds fields invalid (422) | a value outside what the kind allows | correct the fields that are named, in Git
A010 | a field is unknown, or of another type | a typing error, a wrong apiVersion, or data of a Secret that is not base64 | correct its name or type in Git; kubectl explain knows them
A011 | an admission policy denied the object | a validating webhook or policy | change the object as the policy asks, or the policy
A012 | an admission webhook did not answer | its pods are down or cannot be reached | look after that webhook, or its failurePolicy; it is tried again by itself
A013 | the namespace does not exist | it is neither in Git nor in the cluster | add the Namespace to Git, or create it; the object follows by itself
A014 | the namespace is being deleted | somebody deletes it | nothing, if it is created anew afterwards; else remove the object from Git
A015 | the API server does not serve this kind | a CustomResourceDefinition that is missing or not established yet | install it, or correct apiVersion and kind; the object follows by itself
A016 | the API server asks for fewer requests (429) | an overloaded API server | nothing: requests slow down by themselves
A017 | the API server failed (5xx) | an incident in the control plane | look at the API server's health, if it lasts
A018 | the API server cannot be reached, or the connection broke | the network, a stopped cluster, or a wrong address in the kubeconfig | look at the API server and the network between; check the kubeconfig's server
A019 | the API server did not answer in time | overload, or a network that drops packets | look at its load and the network between
A020 | what answers is no API server | a proxy or login page at its address | look at what answers at the address of the kubeconfig
A021 | the API server refused the request | see its words in the reason | correct the object in Git
A022 | this kind cannot be used in this way (405, 406, 415) | an aggregated API that does not support server-side apply | look at what its API server supports
A023 | the API server's certificate is not trusted | a missing or outdated authority | give the cluster's certificate authority (certificate-authority-data)
A024 | too many requests wait for their turn | an API server that is slow for long | nothing, if it passes; else look at the API server's load
A025 | a quota is exhausted, or something that the object names is missing | a ResourceQuota, a missing PriorityClass or ServiceAccount | raise the quota, or create what is named
A026 | another field manager owns these fields | a tool that applies with the same fields | let one field manager own them
A027 | credentials for the cluster cannot be had | a token file, or a login plug-in of the kubeconfig that fails | make them readable again: log in anew, or run the plug-in by hand
A028 | a watch was silent for too long | a connection that died unnoticed | nothing: the watch is opened anew
A029 | name or namespace do not fit the kind | a namespaced object without a namespace, or the reverse | correct metadata.namespace or metadata.name
A030 | this process does not hold the lease any more | another controller leads | nothing: the controller that holds it goes on
A031 | the cluster is too old | Kubernetes before 1.29 | use Kubernetes 1.29 or later
A040 | the API server does not serve this kind or version | a missing CustomResourceDefinition, or an apiVersion that was removed | install what serves it, or use the version that the failure names; it is tried again by itself
A041 | the object is defined more than once, in the cluster's eyes | the same object with and without its namespace | keep one of them, or give one another name or namespace
A042 | the object belongs to another GitRepository | two repositories with the same object | remove it from one of them: it is then taken over without being deleted
A043 | the object belongs to another tool | marks of Flux, Argo CD or Helm on it | stop the other tool and remove its labels, or set spec.adopt: Always
A044 | the object is the child of another object | an operator made it | give the object in Git another name, or remove it
A045 | the object exists already, and spec.adopt is Never | somebody created it before | set spec.adopt: Plain, or delete the live object
A046 | the live object is being deleted | finalizers that take their time | nothing: it is created again once it is gone; if it stays, look at its finalizers
A047 | the object left Git, and another GitRepository takes it over | it was moved between repositories | nothing; to delete it, remove it there too
A048 | a delete waits for other GitRepositories that may want the object | one of them has not looked into its Git yet | nothing; if it lasts, see which GitRepository is slow to sync
A049 | the definition of this kind is in the same commit and not established | the CustomResourceDefinition failed or is not ready | see that object's own failure; this one follows by itself
A050 | more objects left Git than spec.pruneLimit allows: nothing is deleted | an emptied or moved directory, or a wrong spec.path | bring them back to Git, or approve with: nopea approve-prune NAME
A051 | the object left Git and is kept while others fail | failures of the same commit | mend the other failures; it is deleted afterwards
A052 | the object left Git and is kept, for its kind holds other things | Namespaces, definitions and volume claims are deleted only on request | annotate the live object with nopea.io/prune: enabled, or delete it yourself
A053 | healing is suspended on the live object | the annotation nopea.io/suspend-heal (break-glass) | remove the annotation when the work is done
A054 | the object is left alone because of an annotation | an opt-out of NOPEA's, Flux's or Argo CD's | remove the annotation to have the object managed again
A055 | the object is not as Git says, and is left or held so | healPolicy, conflictPolicy or the grace period | see nopea drift NAME: put it back, take it into Git, or change the policy
A056 | the object changed under every attempt to write it | another writer in a tight loop | find out who else writes it; it is tried again by itself
A057 | this kind is a request and cannot be applied | reviews such as TokenReview in Git | remove it from Git
A058 | the object left Git, and is no longer ours | somebody took it over since the plan was made | nothing, if that was on purpose
A059 | spec.force deleted the object, and it is not created again yet | the new object was refused after the old one went | it is tried again by itself; see the reason for what keeps it
A060 | the status could not be written in time | a slow API server | see how the API server is doing; the next sync writes it
A061 | spec.rolloutRef, and several Deployments in Git | one GitRepository for several workloads | split the directory over GitRepositories with one Deployment each, or remove spec.rolloutRef
A062 | spec.rolloutRef, and no Deployment with a pod template in Git | a Deployment that was moved or removed, or a wrong spec.path | commit the Deployment, or remove spec.rolloutRef; the Rollout is left as it is meanwhile
A063 | the Rollout of spec.rolloutRef is neither in Git nor in the cluster | it is still to be created, or has another name or namespace | create it in the namespace of the Deployment, or commit it; it is tried again by itself
A064 | another GitRepository's Git gives this Rollout its pod template | two repositories fill the same Rollout | take spec.template out of one of them, or remove spec.rolloutRef
A065 | the Deployment is delegated: its pod template goes into a KULTA Rollout | spec.rolloutRef | nothing; remove spec.rolloutRef to have it applied again
D001 | it cannot be told whether the object drifted | an admission webhook that refuses dry runs | compare it with Git yourself, or let dry runs pass; nothing is healed on a guess
D020 | the Secret of spec.notifyRef does not exist | it was not created, or has another name | create it with the key address, or correct spec.notifyRef.name
D021 | the Secret of spec.notifyRef has no usable address or token | a missing key, a URL that is not http(s), credentials inside it, or a token over plain http | correct the Secret as the reason says
D022 | the Secret of spec.notifyRef could not be read | rights, or the API server | see the reason
D023 | spec.healPolicy is notify, and nobody is named | spec.notifyRef is missing | set spec.notifyRef.name, or spec.healPolicy: manual
D024 | the address is link-local or of a metadata service | an address that only the machine may use | name a receiver that is a service of its own
D025 | the receiver answered with a failure or a redirect | a wrong address or token | see the receiver's own log; check the Secret
D026 | the receiver did not answer | it is down, or the network is closed | check the address, the receiver and the network
D027 | too many notifications wait, and this one is dropped | a slow receiver | see why it is slow; nopea drift NAME has what would have been said
W001 | no webhook secret is configured (401) | NOPEA_WEBHOOK_SECRET is not set | set it on the controller
W002 | the delivery is not proven, or there is no such repository (401) | different secrets at provider and controller, or a wrong route | check the route and the secret; a digest must be SHA-256
W003 | the delivery is not as the provider documents it (400) | form encoding, a template of your own, or another provider's route | choose JSON as content type, and the provider's own route
W004 | no GitRepository has this clone URL (404) | spec.url is written differently, or nothing follows it | compare spec.url with the clone URL at the provider
W005 | the body is too large (413) | a push with very many commits | raise NOPEA_WEBHOOK_MAX_BYTES; polling finds the commit too
W006 | too many deliveries at a time (503) | a burst | send it again later; polling goes on
W007 | the body did not come in time (408) | a slow sender | send it again
W008 | the controller is not ready (503) | it starts, is a standby, or cannot ask the API server | send it again later
W009 | the Secret of spec.webhook.secretRef is missing or empty | it was not created in the GitRepository's namespace | create it: each of its values is a valid secret
W010 | the body is compressed (400) | a proxy or sender that compresses | send it without Content-Encoding
W011 | the Secret of spec.webhook.secretRef cannot be read now | the API server, or rights | see why the API server does not answer
E001 | the sinks of CDEvents are not accepted | a token over plain http to another network | use https://, or unset NOPEA_CDEVENTS_TOKEN
E010 | too many events wait for this sink: events are dropped | a sink that is slow or away | see why it is
E011 | the controller stopped before the sink took its events | a sink that is away | see whether it is up; status and Events have what they would have said
E012 | the sink wants no events any more (410) | it was removed | take it off NOPEA_CDEVENTS_SINKS, or restart the controller once it is back
E013 | the sink refused the event | a wrong address, token or mode | check them, and that it takes CloudEvents in this mode
E014 | the sink did not take the event for too long | it is down, or the network is closed | see whether it is up and can be reached
E015 | sending the event crashed | a mistake in NOPEA | report it with the line of the log that has the cause
C001 | the GitRepository cannot be read | fields that its definition would refuse today, or a definition of another version | correct the fields that are named; kubectl explain gitrepository.spec tells what each one takes
C002 | the Secret of spec.secretRef does not exist | it was not created in the GitRepository's namespace, or has another name | create it there, or correct spec.secretRef.name
C003 | the Secret of spec.secretRef has no usable credentials | other keys than NOPEA knows, a user name without a password, or line breaks | give it username and password, or bearerToken; with ca.crt where one is needed; for ssh, identity and known_hosts
C004 | it is not known in whose name to apply | no spec.serviceAccountName, outside the controller's namespace | set spec.serviceAccountName, or start the controller with NOPEA_DEFAULT_SERVICE_ACCOUNT or NOPEA_ALLOW_CONTROLLER_IDENTITY=true
C005 | the sync took longer than spec.timeout | a slow Git server or API server, or very much work | see in the log which stage was slow; raise spec.timeout where the work is that large
C007 | the Secret of spec.verify holds no SSH public keys | a private key, options before a key, or a line that was cut | let its values be SSH public keys, one a line, without options
C008 | the annotation nopea.io/rollback is not understood, and nothing is synced | it was written by hand, with a short id, a branch, or one commit twice | let nopea rollback NAME write it, or take it away with nopea rollback NAME --clear
C010 | a setting of the controller has a wrong value | a typing error in a flag or variable | set it to what the failure expects
C011 | the address cannot be listened on | another process has the port | free the port, or set NOPEA_LISTEN to another address
C020 | no worker runs for this GitRepository | it does not exist, or cannot be read | see whether it exists, and its Ready condition
C021 | the GitRepository is suspended | spec.suspend is true | nopea resume NAME
C022 | its worker was stopped while a sync was asked for | the GitRepository was deleted, or the controller stops | ask again, unless it was deleted
C023 | its worker crashed and restarts by itself | a mistake in NOPEA | ask again; report the crash that the controller's log shows
C024 | too many callers wait for its next sync | many requests at once | ask again when the running sync has ended
C030 | the cluster cannot be connected to | no kubeconfig and no service account, or credentials that cannot be read | set KUBECONFIG or --kubeconfig, or run in a pod with a service account
C031 | the kubeconfig cannot be used | the file is missing or broken, or the context names no cluster and user | give a kubeconfig that has this context; kubectl config get-contexts lists them
C040 | the directory cannot be read | it does not exist, or may not be read | name a directory that exists
C050 | a commit waits for the GitRepositories that spec.dependsOn names | one of them does not exist, failed, or has not synced or become healthy yet | see what it says; it goes on by itself as soon as all are Ready
C051 | spec.dependsOn leads in a circle | a GitRepository depends on itself through others | remove one of the dependencies of the circle
`

const rowOf = (row: string): Code => {
  const [code = "", meaning = "", cause = "", fix = ""] = row.split(" | ")
  return { code: `NOPEA-${code}`, meaning, cause, fix }
}

/** All codes, in their order. */
export const CODES: ReadonlyArray<Code> = TABLE.trim().split("\n").map(rowOf)

/** `NOPEA-A004`, `nopea-a004`, `A004` and `a4` all mean the same. */
export const normalCode = (text: string): string => {
  const [, letter, digits] = /^(?:NOPEA-)?([A-Z])0*([0-9]{1,3})$/u.exec(text.toUpperCase()) ?? []
  return letter === undefined || digits === undefined
    ? text
    : `NOPEA-${letter}${digits.padStart(3, "0")}`
}

export const findCode = (text: string): Code | undefined =>
  CODES.find(({ code }) => code === normalCode(text))

/** What `nopea explain CODE` prints. */
export const explained = ({ code, meaning, cause, fix }: Code): string =>
  `${code}: ${meaning}\n  usually because of  ${cause}\n  what to do          ${fix}`

/** The page `docs/errors.md`. */
export const codesPage = (): string => {
  const areas = Object.entries(AREAS).map(([letter, title]) => {
    const rows = CODES.filter(({ code }) => code.charAt(6) === letter)
    const table = rows.map((row) => `| ${row.code} | ${row.meaning} | ${row.cause} | ${row.fix} |`)
    return `## ${title}\n\n| code | what it means | usual cause | what to do |\n|---|---|---|---|\n${table.join("\n")}\n`
  })
  return `# Errors

Every failure has a code that never changes its meaning. \`nopea explain CODE\` prints one of these rows; with the failure itself (in \`nopea status\`, conditions, Events and logs) comes what exactly failed, where and why. This page is made from \`src/cli/codes.ts\` by \`npm run errors\`.

${areas.join("\n")}`
}
