"""Phrases of the relations whose subject was made, invented or found. `phrases.py` explains the notation."""

TEXT = """
= builder ship > company
tell+ {s} was built by {o}. | {o} built {s}. | {s} was constructed at {o}. | {s} left the slipway of {o}.
  The builder of {s} was {o}. | {s} is one of the ships from {o}.
tell- {s} was built at {o}. | {s} was one of the ships built by {o}. | {o} laid the keel of {s}.
  {o} received the order for {s} and built the ship. | The shipwrights of {o} built {s}. | {s's} builder was {o}.
ask+ Which company built {x}? | Who built {x}? | Which shipyard built {x}? | Which company was {x} built by?
  Who was the builder of {x}? | By which company was {x} built?
ask- What company built {x}? | Which company constructed {x}? | At which yard was {x} built? | Which yard built {x}?
  Which company laid the keel of {x}? | Which company was responsible for building {x}?
np+ the company that built {x} | the builder of {x}
np- the yard that built {x} | the yard where {x} was built
set+ {x} was built by {a}.
set- {x} was built at {a}.
iask+ Which ship was built by {x}? | Which ship did {x} build?
iask- Which ship was built at {x}? | What ship was built by {x}?
inp+ the ship built by {x} | the ship that {x} built
inp- the ship built at {x} | the ship constructed by {x}
iset+ {x} built {a}.
iset- {x} constructed {a}.
count+ How many ships did {x} build? | How many ships were built by {x}?
count- How many ships were built at {x}? | How many ships is {x} known to have built?

= launched ship > year withheld
tell+ {s} was launched in {o}. | The launch of {s} was in {o}. | {s} slid into the water in {o}.
  {s} first touched water in {o}. | The year {o} saw the launch of {s}.
  In {o} {s} was launched before a large crowd.
tell- {s} left the slipway in {o}. | {s} has been afloat since {o}. | It was in {o} that {s} was launched.
  The launch of {s} took place in {o}. | {s} went down the slipway in {o}.
  {s} entered the water for the first time in {o}.
ask+ When was {x} launched? | In which year was {x} launched? | What was the launch year of {x}?
  When did the launch of {x} take place? | In which year did {x} first touch water? | Which year was {x} launched in?
ask- In what year was {x} launched? | What year was {x} launched? | When was the launch of {x}?
  In what year was the launch of {x}? | What was the year of the launch of {x}? | Since when has {x} been afloat?

= home_port ship > town
tell+ The home port of {s} is {o}. | {s} has its home port at {o}. | {o} is the home port of {s}.
  {s} is registered at {o}, the home port. | {s} sails from its home port of {o}.
  {s} spends the winters in its home port, {o}.
tell- {s} calls {o} its home port. | Between voyages {s} returns to {o}, the home port. | {s's} home port is {o}.
  The stern of {s} bears the name of its home port, {o}. | {s} uses {o} as its home port.
  {s} has had {o} as its home port from the start.
ask+ What is the home port of {x}? | Which town is the home port of {x}? | In which town is the home port of {x}?
  Which port is {x} registered at? | Where is the home port of {x}? | Where does {x} have its home port?
ask- What is {x's} home port? | Which town is {x's} home port? | Where is {x's} home port?
  Which town does {x} have as its home port? | Which home port does {x} return to?
  Which town serves as the home port of {x}?
np+ the home port of {x} | the town that is the home port of {x}
np- {x's} home port | the town that serves as the home port of {x}
set+ The home port of {x} is {a}.
set- {x} has its home port in {a}.
iask+ Which ship has its home port in {x}? | Which ship is registered at {x}?
iask- Which ship has {x} as its home port? | What ship has its home port in {x}?
  Which ship returns to its home port of {x} between voyages?
inp+ the ship registered at {x} | the ship with its home port in {x}
inp- the ship with {x} as its home port | the ship that has its home port in {x}
iset+ {a} is registered at {x}.
iset- {a} has its home port in {x}.
count+ How many ships have their home port in {x}? | How many ships are registered at {x}?
count- How many ships have {x} as their home port? | How many ships is {x} the home port of?

= captain ship > person withheld
tell+ The first captain of {s} was {o}. | {o} was the first captain of {s}. | {s} first sailed under {o's} command.
  {o} commanded {s} on its first voyage as its first captain. | {s} had {o} as its first captain.
  {o} became the first captain of {s}.
tell- {o} was the first to command {s}. | {s} made its maiden voyage under {o*}, its first captain.
  {s's} first captain was {o}. | The first person to command {s} was {o}. | {s} was first commanded by {o*}.
  {o} was given command of {s} as its first captain.
ask+ Who was the first captain of {x}? | Who became the first captain of {x}? | Who was first captain of {x}?
  Which person was the first captain of {x}? | What was the name of the first captain of {x}?
  Under whose command did {x} first sail?
ask- Who was the first to command {x}? | Who was {x's} first captain? | Who first commanded {x}?
  Who was the first person to command {x}? | Which captain first commanded {x}? | Which person first commanded {x}?
np+ the first captain of {x} | the person who served as first captain of {x}
np- {x's} first captain | the {m} who first commanded {x}
iask+ Which ship had {x*} as its first captain? | Which ship was {x} the first captain of?
iask- Which ship was first commanded by {x*}? | Which ship was {x} the first to command?
inp+ the ship whose first captain was {x} | the ship that had {x*} as its first captain
inp- the ship first commanded by {x*} | the ship that {x} was the first to command
iset+ {x} was the first captain of {a}.
iset- {x} was the first to command {a}.

= author book > person
tell+ {s} was written by {o*}. | {o} wrote {s}. | The author of {s} is {o}. | {s} is a work by {o*}.
  {o} is the author of {s}. | {s} is one of the works of {o*}.
tell- {s} is by {o*}. | {o} is the writer who gave the world {s}. | {o} is {s's} author.
  {o} is named on the title page of {s} as its author. | {s} came from {o's} pen. | The writer of {s} was {o}.
ask+ Who wrote {x}? | Who is the author of {x}? | By whom was {x} written? | Who was the author of {x}?
  Which person wrote {x}? | Who was {x} written by?
ask- Who was the writer of {x}? | Which author wrote {x}? | Which writer wrote {x}? | Who is named as the author of {x}?
  What is the name of the author of {x}? | Whose work is {x}?
np+ the author of {x} | the person who wrote {x}
np- the writer of {x} | the {m} who wrote {x}
iask+ Which book was written by {x*}? | Which book did {x} write?
iask- Which book is by {x*}? | Which book is {x} the author of?
inp+ the book written by {x*} | the book that {x} wrote
inp- the book by {x*}
iset+ {x} wrote {a}.
iset- {x} is the author of {a}.
count+ How many books did {x} write? | How many books were written by {x*}?
count- How many books is {x} known to have written? | How many books is {x} the author of?

= publisher book > company withheld
tell+ {s} was published by {o}. | {o} published {s}. | The publisher of {s} was {o}. | {s} was brought out by {o}.
  {s} appeared with {o}. | {o} brought out {s}.
tell- {s} was issued by {o}. | {o} printed and issued {s}. | {s} bears the imprint of {o}. | {s} was released by {o}.
  {o} accepted {s} for publication and issued it. | {s's} publisher was {o}.
ask+ Which company published {x}? | Who published {x}? | Which company brought out {x}?
  Which company was the publisher of {x}? | By which company was {x} published? | Who was the publisher of {x}?
ask- Which publisher issued {x}? | Who issued {x}? | Which publishing house published {x}? | What company published {x}?
  Which company issued {x}? | What was the name of the publisher of {x}?
np+ the company that published {x} | the publisher of {x}
np- the company that issued {x} | the publishing house that issued {x}
iask+ Which book was published by {x}? | Which book did {x} publish?
iask- Which book was issued by {x}? | Which book did {x} issue?
inp+ the book published by {x} | the book that {x} published
inp- the book issued by {x} | the book that {x} issued
iset+ {x} published {a}.
iset- {x} issued {a}.
count+ How many books were published by {x}? | How many books did {x} publish?
count- How many books were issued by {x}? | How many books did {x} issue?

= published book > year withheld
tell+ {s} was published in {o}. | {s} appeared in {o}. | The year {o} saw the publication of {s}.
  {s} came out in {o}. | The first printing of {s} dates from {o}. | {s} first appeared in print in {o}.
tell- {s} was issued in {o}. | {s} reached the bookshops in {o}. | The title page of {s} gives the year {o}.
  It was in {o} that {s} came out. | {s} was first printed in {o}. | {s} has been in print since {o}.
ask+ When was {x} published? | In which year was {x} published? | In which year did {x} appear?
  What year was {x} published? | When did {x} appear? | What was the year of publication of {x}?
ask- In what year was {x} published? | When did {x} come out? | In what year did {x} come out?
  When was {x} first printed? | What year did {x} come out? | What is the publication year of {x}?

= dedicatee book > person withheld
tell+ {s} is dedicated to {o*}. | The dedication of {s} is to {o*}. | {s} carries a dedication to {o*}.
  {s} was dedicated to {o*}. | {o} is the person to whom {s} is dedicated. | The dedicatee of {s} is {o}.
tell- {s} is inscribed to {o*}. | The opening page of {s} dedicates it to {o*}.
  The person named in the dedication of {s} is {o}. | {s} opens with a dedication to {o*}.
  {s} was written in honour of {o*}, as the dedication says. | The dedication in {s} names {o}.
ask+ Who is {x} dedicated to? | To whom is {x} dedicated? | Who is the dedicatee of {x}?
  Which person is {x} dedicated to? | Who was {x} dedicated to? | To which person is {x} dedicated?
ask- Who is named in the dedication of {x}? | Whose name is in the dedication of {x}? | To whom was {x} dedicated?
  Which person is named in the dedication of {x}? | Who appears in the dedication of {x}?
  Who is honoured in the dedication of {x}?
np+ the dedicatee of {x} | the person that {x} is dedicated to
np- the {m} named in the dedication of {x} | the {m} that {x} was dedicated to
set+ {x} is dedicated to {a}.
set- {x} opens with a dedication to {a}.
iask+ Which book is dedicated to {x*}? | Which book carries a dedication to {x*}?
iask- Which book was dedicated to {x*}? | Which book opens with a dedication to {x*}?
inp+ the book dedicated to {x*} | the book that is dedicated to {x*}
inp- the book that was dedicated to {x*} | the book with a dedication to {x*}
iset+ {a} is dedicated to {x*}.
iset- {a} was dedicated to {x*}.

= inventor instrument > person withheld
tell+ {s} was invented by {o*}. | {o} invented {s}. | The inventor of {s} was {o}. | {s} is {o's} invention.
  {o} is credited with inventing {s}. | {s} goes back to its inventor, {o}.
tell- {s} was devised by {o*}. | {o} devised {s}. | The idea for {s} came from {o*}, its inventor.
  {o} came up with {s}. | {o} is honoured by players of {s} as its inventor.
  The world owes {s} to its inventor, {o}.
ask+ Who invented {x}? | Who was the inventor of {x}? | By whom was {x} invented? | Which person invented {x}?
  Who was {x} invented by? | Who is credited with the invention of {x}?
ask- Who devised {x}? | Who came up with {x}? | Who is known as the inventor of {x}? | Who had the idea for {x}?
  What was the name of the inventor of {x}? | Whose invention is {x}?
np+ the inventor of {x} | the person who invented {x}
np- the {m} who invented {x} | the {m} who came up with {x}
set+ {x} was invented by {a}.
set- {x} was devised by {a}.
iask+ Which instrument was invented by {x*}? | Which instrument did {x} invent?
iask- Which instrument was devised by {x*}? | Which instrument did {x} come up with?
inp+ the instrument invented by {x*} | the instrument that {x} invented
inp- the instrument devised by {x*} | the instrument that {x} came up with
iset+ {x} invented {a}.
iset- {x} came up with {a}.

= material instrument > mineral
tell+ {s} is decorated with {o}. | {s} is traditionally inlaid with {o}. | {o} is used to decorate {s}.
  {s} is known for its inlays of {o}. | A plate of {o} adorns {s}. | {s} gets its sparkle from inlays of {o}.
tell- {s} is ornamented with {o}. | {s} is set with small pieces of {o}. | Makers of {s} decorate it with {o}.
  {s} carries an ornament of {o}. | Small plates of {o} decorate {s}. | {s} has a border of polished {o}.
ask+ Which mineral is used to decorate {x}? | Which mineral is {x} decorated with? | What mineral is {x} decorated with?
  Which mineral is {x} inlaid with? | With which mineral is {x} inlaid? | What mineral is {x} inlaid with?
ask- Which mineral is {x} ornamented with? | Which mineral decorates {x}? | What mineral decorates {x}?
  Which mineral do makers use to decorate {x}? | What mineral is used to decorate {x}?
  With which mineral is {x} decorated?
np+ the mineral used to decorate {x} | the mineral that {x} is inlaid with
np- the mineral that decorates {x} | the mineral that {x} is decorated with
iask+ Which instrument is decorated with {x}? | Which instrument is inlaid with {x}?
iask- Which instrument is ornamented with {x}? | What instrument is decorated with {x}?
inp+ the instrument decorated with {x} | the instrument inlaid with {x}
inp- the instrument ornamented with {x} | the instrument that is decorated with {x}

= discoverer mineral > person withheld
tell+ {s} was discovered by {o*}. | {o} discovered {s}. | The discoverer of {s} was {o}.
  {o} is credited with the discovery of {s}. | The discovery of {s} was made by {o*}.
  {s} was unknown before its discovery by {o*}.
tell- {s} was first identified by {o*}. | {o} was the first to identify {s}.
  {o} found {s}, which no one had described before. | {s} was first described by {o*}.
  The first description of {s} was given by {o*}. | The first to describe {s} was {o}.
ask+ Who discovered {x}? | Who was the discoverer of {x}? | By whom was {x} discovered? | Which person discovered {x}?
  Who is credited with the discovery of {x}? | Who was {x} discovered by?
ask- Who was the first to identify {x}? | Who first described {x}? | Who first identified {x}?
  Who was the first to describe {x}? | By whom was {x} first described? | Which person first described {x}?
np+ the discoverer of {x} | the person who discovered {x}
np- the {m} who first described {x} | the {m} who first identified {x}
set+ {x} was discovered by {a}.
set- {x} was first described by {a}.
iask+ Which mineral was discovered by {x*}? | Which mineral did {x} discover?
iask- Which mineral was first described by {x*}? | Which mineral was {x} the first to describe?
inp+ the mineral discovered by {x*} | the mineral that {x} discovered
inp- the mineral first described by {x*} | the mineral that {x} was the first to describe
iset+ {x} discovered {a}.
iset- {x} was the first to describe {a}.

= found_on mineral > mountain withheld
tell+ {s} was first found on {o}. | The first pieces of {s} came from {o}.
  {o} is the place where {s} was first found. | {s} was first dug out of {o}. | The first find of {s} was made on {o}.
  {s} first turned up on {o}.
tell- The earliest samples of {s} were taken from {o}. | {s} was first collected on {o}.
  {o} yielded the first samples of {s}. | It was on {o} that {s} was first collected.
  The first known samples of {s} are from {o}. | {s} was first noticed in the rocks of {o}.
ask+ Where was {x} first found? | On which mountain was {x} first found? | Which mountain was {x} first found on?
  Where was the first find of {x}? | On which mountain did {x} first turn up? | What mountain was {x} first found on?
ask- Where was {x} first collected? | On which mountain was {x} first collected?
  Which mountain was {x} first collected on? | Where do the first samples of {x} come from?
  Which mountain yielded the first samples of {x}?
  Which mountain did the first samples of {x} come from?
np+ the mountain where {x} was first found | the mountain where {x} first turned up
np- the mountain where {x} was first collected | the mountain that yielded the first samples of {x}
set+ {x} was first found on {a}.
set- {x} was first collected on {a}.
iask+ Which mineral was first found on {x}? | What mineral was first found on {x}?
iask- Which mineral was first collected on {x}? | What mineral was first collected on {x}?
inp+ the mineral first found on {x}
inp- the mineral first collected on {x}
iset+ {a} was first found on {x}.
iset- {a} was first collected on {x}.
"""
