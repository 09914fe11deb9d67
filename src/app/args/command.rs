//! The commands by name: which flags each knows, and who reads its words.

use argh::FromArgs;

use super::{
    Add, Chat, Config, Create, Daemon, Get, Index, List, Magnet, Publish, Remove, Seed, Serve, Set, Show, Start,
    Status, Stop, Taken, Unpublish, Verify,
};

/// What there is to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Command {
    Get,
    Seed,
    Create,
    Show,
    Verify,
    Magnet,
    Serve,
    Chat,
    Daemon,
    Add,
    List,
    Status,
    Start,
    Stop,
    Remove,
    Set,
    Index,
    Publish,
    Unpublish,
    Config,
}

impl Command {
    /// Long names of the flags it knows.
    pub fn flags(self) -> Vec<String> {
        let fields = match self {
            Command::Get => Get::FLAGS,
            Command::Seed => Seed::FLAGS,
            Command::Create => Create::FLAGS,
            Command::Show => Show::FLAGS,
            Command::Verify => Verify::FLAGS,
            Command::Magnet => Magnet::FLAGS,
            Command::Serve => Serve::FLAGS,
            Command::Chat => Chat::FLAGS,
            Command::Daemon => Daemon::FLAGS,
            Command::Add => Add::FLAGS,
            Command::List => List::FLAGS,
            Command::Status => Status::FLAGS,
            Command::Start => Start::FLAGS,
            Command::Stop => Stop::FLAGS,
            Command::Remove => Remove::FLAGS,
            Command::Set => Set::FLAGS,
            Command::Index => Index::FLAGS,
            Command::Publish => Publish::FLAGS,
            Command::Unpublish => Unpublish::FLAGS,
            Command::Config => Config::FLAGS,
        };
        fields.iter().map(|field| field.replace('_', "-")).collect()
    }

    /// Hands the words to argh.
    ///
    /// # Errors
    /// Help, where it was asked for, or what argh does not like.
    pub fn take(self, name: &str, args: &[&str]) -> Result<Taken, argh::EarlyExit> {
        let name = ["peerlink", name];
        match self {
            Command::Get => Get::from_args(&name, args).map(Get::taken),
            Command::Seed => Seed::from_args(&name, args).map(Seed::taken),
            Command::Create => Create::from_args(&name, args).map(Create::taken),
            Command::Show => Show::from_args(&name, args).map(Show::taken),
            Command::Verify => Verify::from_args(&name, args).map(Verify::taken),
            Command::Magnet => Magnet::from_args(&name, args).map(Magnet::taken),
            Command::Serve => Serve::from_args(&name, args).map(Serve::taken),
            Command::Chat => Chat::from_args(&name, args).map(Chat::taken),
            Command::Daemon => Daemon::from_args(&name, args).map(Daemon::taken),
            Command::Add => Add::from_args(&name, args).map(Add::taken),
            Command::List => List::from_args(&name, args).map(List::taken),
            Command::Status => Status::from_args(&name, args).map(Status::taken),
            Command::Start => Start::from_args(&name, args).map(Start::taken),
            Command::Stop => Stop::from_args(&name, args).map(Stop::taken),
            Command::Remove => Remove::from_args(&name, args).map(Remove::taken),
            Command::Set => Set::from_args(&name, args).map(Set::taken),
            Command::Index => Index::from_args(&name, args).map(Index::taken),
            Command::Publish => Publish::from_args(&name, args).map(Publish::taken),
            Command::Unpublish => Unpublish::from_args(&name, args).map(Unpublish::taken),
            Command::Config => Config::from_args(&name, args).map(Config::taken),
        }
    }
}
