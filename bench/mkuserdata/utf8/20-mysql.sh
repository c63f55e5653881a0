#!/bin/bash
# Règle MySQL selon la taille de la machine, crée les comptes et démarre la réplication depuis la source que désigne
# l'étiquette `replicate-from`. Peut être relancé : ce qui est déjà fait n'est pas touché.
set -euo pipefail
exec > >(logger -s -t mysql-setup) 2>&1

log() { echo "$(date -u +%T) $*"; }
die() { log "ERREUR : $*"; exit 1; }

imds() {
    local token
    token=$(curl -sf -m 5 -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' http://169.254.169.254/latest/api/token)
    curl -sf -m 5 -H "X-aws-ec2-metadata-token: $token" "http://169.254.169.254/latest/meta-data/$1"
}

secret() {
    aws secretsmanager get-secret-value --secret-id "mysql/$environment/$1" --query SecretString --output text
}

region=$(imds placement/region)
environment=$(imds tags/instance/environment) || die 'l’instance n’a pas d’étiquette « environment »'
export AWS_DEFAULT_REGION=$region

# 70 % de la mémoire pour le cache d'InnoDB, par pas de 1 Gio, mais jamais moins de 512 Mio.
memory_mib=$(awk '/^MemTotal:/ { print int($2 / 1024) }' /proc/meminfo)
pool_mib=$((memory_mib * 70 / 100 / 1024 * 1024))
((pool_mib >= 512)) || pool_mib=512
instances=$((pool_mib / 4096))
((instances >= 1)) || instances=1
((instances <= 16)) || instances=16
# Les deux derniers octets de l'adresse : uniques dans un /16, la taille de nos VPC.
IFS=. read -r _ _ third fourth < <(imds local-ipv4)
server_id=$((third * 256 + fourth + 1))

cat >/etc/mysql/mysql.conf.d/zz-machine.cnf <<CONF
[mysqld]
server_id                    = $server_id
report_host                  = $(hostname -f)
innodb_buffer_pool_size      = ${pool_mib}M
innodb_buffer_pool_instances = $instances
innodb_page_cleaners         = $instances
CONF
log "cache de $pool_mib Mio réparti en $instances instances, server_id $server_id"

systemctl stop mysql.service
if [[ ! -d /srv/mysql/data/mysql ]]; then
    log 'initialisation du répertoire de données, qui est vide'
    install -d -o mysql -g mysql -m 750 /srv/mysql/data
    mysqld --initialize-insecure --user=mysql --datadir=/srv/mysql/data || die 'échec de mysqld --initialize'
fi
apparmor_parser -r /etc/apparmor.d/usr.sbin.mysqld
systemctl daemon-reload
systemctl start mysql.service || die "mysqld ne démarre pas : $(tail -n 5 /var/log/mysql/error.log)"

sql() { mysql --defaults-file=/root/.my.cnf --batch --skip-column-names "$@"; }

for ((tries = 0; ; tries++)); do
    mysqladmin --silent ping && break
    ((tries < 90)) || die 'mysqld reste muet après trois minutes'
    sleep 2
done

umask 077
if [[ ! -s /root/.my.cnf ]]; then
    root_password=$(secret root)
    mysql -u root <<SQL
SET GLOBAL super_read_only = OFF, read_only = OFF;
SET SESSION sql_log_bin = 0;
ALTER USER root@localhost IDENTIFIED WITH caching_sha2_password BY '$root_password';
DELETE FROM mysql.user WHERE User = '';
DROP DATABASE IF EXISTS test;
FLUSH PRIVILEGES;
SQL
    printf '[client]\nuser = root\npassword = "%s"\n' "$root_password" >/root/.my.cnf
fi

# Les comptes locaux ne sont pas répliqués : à chaque machine ses mots de passe.
metrics_password=$(openssl rand -hex 16)
sql <<SQL
SET GLOBAL super_read_only = OFF;
SET SESSION sql_log_bin = 0;
CREATE USER IF NOT EXISTS metrics@localhost IDENTIFIED BY '$metrics_password' WITH MAX_USER_CONNECTIONS 4;
ALTER USER metrics@localhost IDENTIFIED BY '$metrics_password';
GRANT PROCESS, REPLICATION CLIENT ON *.* TO metrics@localhost;
GRANT SELECT ON performance_schema.* TO metrics@localhost;
CREATE USER IF NOT EXISTS backup@localhost IDENTIFIED WITH auth_socket;
GRANT BACKUP_ADMIN, RELOAD, LOCK TABLES, PROCESS, REPLICATION CLIENT ON *.* TO backup@localhost;
SET GLOBAL super_read_only = ON;
SQL
printf '[client]\nuser = metrics\npassword = %s\n' "$metrics_password" >/etc/mysql/metrics.cnf

source_host=$(imds tags/instance/replicate-from || true)
if [[ -z $source_host ]]; then
    log 'pas d’étiquette « replicate-from » : c’est une source, elle accepte les écritures'
    sql -e 'SET GLOBAL super_read_only = OFF, read_only = OFF'
    exit 0
fi
if [[ -n $(sql -e 'SELECT 1 FROM performance_schema.replication_connection_status WHERE SERVICE_STATE = "ON"') ]]; then
    log 'la réplication est déjà en marche'
    exit 0
fi
sql <<SQL
CHANGE REPLICATION SOURCE TO
    SOURCE_HOST = '$source_host', SOURCE_PORT = 3306, SOURCE_USER = 'replica',
    SOURCE_PASSWORD = '$(secret replica)', SOURCE_AUTO_POSITION = 1, SOURCE_SSL = 1,
    SOURCE_SSL_CA = '/etc/ssl/certs/corp-root.pem', SOURCE_CONNECT_RETRY = 10, GET_SOURCE_PUBLIC_KEY = 1;
START REPLICA;
SQL
sleep 5
error=$(sql -e 'SELECT LAST_ERROR_MESSAGE FROM performance_schema.replication_connection_status')
[[ -z $error ]] || die "réplication depuis $source_host : $error"
log "réplique de $source_host"
