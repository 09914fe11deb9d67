# Completion of peerlink for bash; made by scripts/manual.
_peerlink() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command='' word flags=''
    for word in "${COMP_WORDS[@]:1:COMP_CWORD - 1}"; do
        case $word in -*) ;; *) command=$word; break ;; esac
    done
    COMPREPLY=()
    if [ -z "$command" ]; then
        mapfile -t COMPREPLY < <(compgen -W "get seed create show verify magnet serve chat index publish unpublish daemon add list status start stop remove set config --help --version" -- "$cur")
        return
    fi
    case $prev in
        --dir|-d) mapfile -t COMPREPLY < <(compgen -d -- "$cur"); return ;;
        --state-dir) mapfile -t COMPREPLY < <(compgen -d -- "$cur"); return ;;
        --config|-c) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
        --port|-p) return ;;
        --bind) return ;;
        --proxy) return ;;
        --peer) return ;;
        --tracker|-t) return ;;
        --max-peers) return ;;
        --max-connections) return ;;
        --up-limit|-u) return ;;
        --down-limit) return ;;
        --torrent-up-limit) return ;;
        --torrent-down-limit) return ;;
        --memory) return ;;
        --select|-s) return ;;
        --first) return ;;
        --last) return ;;
        --seed-ratio) return ;;
        --seed-time) return ;;
        --prealloc) mapfile -t COMPREPLY < <(compgen -W "none full" -- "$cur"); return ;;
        --min-free) return ;;
        --timeout) return ;;
        --on-done) return ;;
        --dht-bootstrap) return ;;
        --dht-up-limit) return ;;
        --dht-per-source) return ;;
        --encryption) mapfile -t COMPREPLY < <(compgen -W "off tolerate prefer require" -- "$cur"); return ;;
        --ca-file) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
        --output|-o) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
        --comment) return ;;
        --source) return ;;
        --piece-length) return ;;
        --web-seed) return ;;
        --exclude) return ;;
        --max-per-address) return ;;
        --announce-interval) return ;;
        --allow) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
        --deny) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
        --keys) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
        --flood) return ;;
        --network) return ;;
        --motd) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
        --history-size) return ;;
        --history-age) return ;;
        --real-ip-header) return ;;
        --server) return ;;
        --description) return ;;
        --publish-by) mapfile -t COMPREPLY < <(compgen -W "anyone password" -- "$cur"); return ;;
        --password) return ;;
        --oper) return ;;
        --index-max) return ;;
        --index-size) return ;;
        --group) return ;;
        --passphrase-file) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
        --nick) return ;;
        --key) return ;;
        --backlog) return ;;
        --send) return ;;
        --rpc) return ;;
        --rpc-user) return ;;
        --rpc-password) return ;;
        --rpc-host) return ;;
        --max-downloads) return ;;
        --max-seeds) return ;;
        --on-add) return ;;
        --on-error) return ;;
        --incomplete-dir) mapfile -t COMPREPLY < <(compgen -d -- "$cur"); return ;;
        --blocklist) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
        --watch-dir) mapfile -t COMPREPLY < <(compgen -d -- "$cur"); return ;;
        --label) return ;;
    esac
    if [[ $cur == -* ]]; then
        case $command in
            get) flags="--dir --select --list --server --group --peer --tracker --announce-all --port --bind --proxy --max-peers --max-connections --up-limit --down-limit --torrent-up-limit --torrent-down-limit --no-lan-limit --memory --sequential --recheck --seed --seed-ratio --seed-time --prealloc --min-free --timeout --on-done --no-dht --dht-bootstrap --dht-read-only --dht-up-limit --dht-per-source --no-lsd --ca-file --no-port-map --encryption --no-pex --json --quiet --verbose --config --state-dir --help" ;;
            seed) flags="--dir --output --server --group --publish --description --password --peer --tracker --announce-all --port --bind --proxy --max-peers --max-connections --up-limit --down-limit --torrent-up-limit --torrent-down-limit --no-lan-limit --memory --recheck --seed-ratio --seed-time --no-dht --dht-bootstrap --dht-read-only --dht-up-limit --dht-per-source --no-lsd --ca-file --no-port-map --encryption --no-pex --json --quiet --verbose --config --state-dir --help" ;;
            create) flags="--output --force --tracker --server --private --comment --source --piece-length --web-seed --exclude --no-date --json --quiet --verbose --config --help" ;;
            show) flags="--ca-file --fetch --timeout --peer --tracker --port --bind --proxy --no-dht --dht-bootstrap --no-lsd --encryption --no-pex --state-dir --json --verbose --config --help" ;;
            verify) flags="--ca-file --dir --json --quiet --verbose --config --help" ;;
            magnet) flags="--ca-file --json --verbose --config --help" ;;
            serve) flags="--bind --max-per-address --publish-by --password --oper --index-max --index-size --announce-interval --max-peers --memory --allow --deny --keys --flood --network --motd --no-history --history-size --history-age --real-ip-header --json --quiet --verbose --config --state-dir --help" ;;
            chat) flags="--server --group --nick --key --passphrase-file --password --backlog --send --timeout --dir --port --bind --proxy --max-peers --up-limit --down-limit --memory --no-dht --dht-bootstrap --no-lsd --ca-file --no-port-map --encryption --no-pex --json --verbose --config --state-dir --help" ;;
            index) flags="--server --json --verbose --config --help" ;;
            publish) flags="--ca-file --server --description --password --oper --json --quiet --verbose --config --state-dir --help" ;;
            unpublish) flags="--server --oper --json --quiet --verbose --config --state-dir --help" ;;
            daemon) flags="--rpc --rpc-user --rpc-password --rpc-host --open --dir --server --group --max-downloads --max-seeds --paused --incomplete-dir --watch-dir --on-add --on-done --on-error --min-free --blocklist --announce-all --port --bind --proxy --max-peers --max-connections --up-limit --down-limit --no-lan-limit --memory --seed-ratio --seed-time --prealloc --no-dht --dht-bootstrap --dht-read-only --dht-up-limit --dht-per-source --no-lsd --ca-file --no-port-map --encryption --no-pex --json --quiet --verbose --config --state-dir --help" ;;
            add) flags="--ca-file --dir --paused --label --tracker --server --publish --description --password --rpc --rpc-user --rpc-password --json --quiet --verbose --config --state-dir --help" ;;
            list) flags="--rpc --rpc-user --rpc-password --json --quiet --verbose --config --help" ;;
            status) flags="--rpc --rpc-user --rpc-password --json --quiet --verbose --config --help" ;;
            start) flags="--rpc --rpc-user --rpc-password --json --quiet --verbose --config --help" ;;
            stop) flags="--rpc --rpc-user --rpc-password --json --quiet --verbose --config --help" ;;
            remove) flags="--delete-data --rpc --rpc-user --rpc-password --json --quiet --verbose --config --help" ;;
            set) flags="--dir --up-limit --down-limit --seed-ratio --max-peers --select --first --last --label --max-downloads --max-seeds --recheck --rpc --rpc-user --rpc-password --json --quiet --verbose --config --help" ;;
            config) flags="--json --verbose --config --state-dir --help" ;;
        esac
        mapfile -t COMPREPLY < <(compgen -W "$flags" -- "$cur")
    else
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
    fi
}
complete -o filenames -F _peerlink peerlink
